/* plain.cpp - the same in C++: default arguments and overloads.
 *
 * plain CONFIG FROM TO HOST PORT: sends one message through HOST, then serves
 * by the configured ports until its standard input ends. A host program: it may
 * print. */
#include "mailmod/srv.h"

#include <iostream>
#include <string>

namespace {

int fail(const char *what)
{
    std::cout << what << ": " << SRVLastErrorText() << std::endl;
    return 1;
}

bool send(const std::string &from, const std::string &to, const char *host,
          int port)
{
    ServerStream mail =
        SRVInitSendMsgSMTP(from.c_str(), to.c_str(), host, port);
    if (mail == nullptr) {
        return false;
    }
    const std::string text = "Subject: from C++\r\n\r\nhello\r\n";
    bool is_written =
        SRVSend(mail, text.data(), static_cast<int>(text.size())) != 0;
    SRVEndOfMsg(mail);
    return is_written && SRVLastError() == 0;
}

/* All that may be left out is left out. */
bool has_defaults(const char *to)
{
    ServerStream now = SRVInitSendMsgImidiatly("a@x.test", nullptr);
    ServerStream queued = SRVInitSendMsgBackgaund("a@x.test", "");
    return now == nullptr && queued == nullptr &&
           SRVInitSendMsgSMTP("a@x.test", to, nullptr) == nullptr &&
           LoadConfig() == 0; /* mailmod.cfg of the working folder */
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 6 || LoadConfig(argv[1]) != 0) {
        return fail("LoadConfig");
    }
    SetConfigParam("smtp.recipients_max", 50);
    SetConfigParam("general.host_name", "plus.test");
    if (GetConfigParamInt("smtp.recipients_max") != 50 ||
        GetConfigParamStr("general.host_name") != std::string("plus.test")) {
        return fail("SetConfigParam");
    }
    if (!has_defaults(argv[3])) {
        return fail("the defaults");
    }
    if (!send(argv[2], argv[3], argv[4], std::stoi(argv[5]))) {
        return fail("sending");
    }
    std::cout << "sent" << std::endl;
    if (SetSMTPServer() != 0 || SetPOP3Server() != 0) {
        return fail("the servers");
    }
    std::cout << "ports smtp=" << SRVGetPort("smtp")
              << " pop3=" << SRVGetPort("pop3") << std::endl;
    std::string line;
    while (std::getline(std::cin, line)) {
    }
    return SRVShutdown() == 0 ? 0 : fail("SRVShutdown");
}
