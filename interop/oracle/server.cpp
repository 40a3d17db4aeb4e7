// A gSOAP server made from the project's WSDL, as the legacy service very probably was: what its skeleton accepts is
// what the existing clients could always send. The operations take anything and answer the least that is valid;
// CreateVouchers also tells what it read: as many numbers as were asked for, the MsgID and the Amount.
//
// Listens on a free port of 127.0.0.1, plain HTTP, prints the port, and ends when its standard input does.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "createvouchers.nsmap"
#include "soapcreatevouchersService.h"

int createvouchersService::CreateVouchers(
    ns1__CreateVouchersType *call, ns1__CreateVouchersResponseType &reply)
{
    reply.response = soap_new_ns1__CreateVouchersResponseData(soap);
    reply.response->Currency = "EUR";
    reply.response->VoucherNumbers = soap_new_ns1__VoucherNumbers(soap);
    if (!call->request)
        return SOAP_OK;
    reply.response->MsgID = call->request->MsgID;
    reply.response->Amount = call->request->Amount;
    if (call->request->VoucherCount)
        for (int number = 0; number < *call->request->VoucherCount && number < 1000; ++number)
            reply.response->VoucherNumbers->VoucherNumber.push_back(std::to_string(number));
    return SOAP_OK;
}

int createvouchersService::GetVoucherCharges(ns1__GetVoucherChargesType *, ns1__GetVoucherChargesResponseType &reply)
{
    reply.response = soap_new_ns1__GetVoucherChargesResponseData(soap);
    reply.response->ChargeList = soap_new_ns1__ChargeList(soap);
    return SOAP_OK;
}

int createvouchersService::GetVoucherCodes(ns1__GetVoucherCodesType *, ns1__GetVoucherCodesResponseType &reply)
{
    reply.response = soap_new_ns1__GetVoucherCodesResponseData(soap);
    reply.response->VoucherList = soap_new_ns1__VoucherList(soap);
    reply.response->LastPage = true;
    return SOAP_OK;
}

int createvouchersService::GetVoucherPoolInfo(ns1__GetVoucherPoolInfoType *, ns1__GetVoucherPoolInfoResponseType &reply)
{
    reply.response = soap_new_ns1__GetVoucherPoolInfoResponseData(soap);
    return SOAP_OK;
}

int createvouchersService::GetVoucherChargeInfo(
    ns1__GetVoucherChargeInfoType *, ns1__GetVoucherChargeInfoResponseType &reply)
{
    reply.response = soap_new_ns1__GetVoucherChargeInfoResponseData(soap);
    return SOAP_OK;
}

int main()
{
    std::signal(SIGPIPE, SIG_IGN);
    createvouchersService server(SOAP_C_UTFSTRING | SOAP_IO_KEEPALIVE);
    server.soap->recv_timeout = server.soap->send_timeout = 3; // seconds
    if (!soap_valid_socket(server.bind("127.0.0.1", 0, 100))) {
        server.soap_print_fault(stderr);
        return 1;
    }
    sockaddr_in address = {};
    socklen_t length = sizeof address;
    getsockname(server.soap->master, reinterpret_cast<sockaddr *>(&address), &length);
    std::printf("%d\n", ntohs(address.sin_port));
    std::fflush(stdout);

    std::thread([] {
        while (std::getchar() != EOF)
            continue;
        std::_Exit(0);
    }).detach();

    for (;;) {
        if (!soap_valid_socket(server.accept()))
            continue;
        std::thread([](createvouchersService *one) {
            std::unique_ptr<createvouchersService> owned(one);
            one->serve();
            one->destroy();
        }, server.copy()).detach();
    }
}
