"""The SOAP door: the legacy wire, declared with Spyne, read and written by our own protocol.

A door knows XML and HTTP and no business rule.
"""
