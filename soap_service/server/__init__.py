"""The transport: gunicorn, its worker, TLS and the self-signed certificate of a first start.

Nothing here knows SOAP beyond the two ready-made fault bodies for requests that never reach the application.
"""
