/* test_trace_field.c - Received fields as the world's programs write them.
 *
 * T-168, T-169: each row is a form of its own, written here after what the
 * named program is known to write. Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/trace/field.h"

#include <stdio.h>
#include <string.h>

#define WHEN "Mon, 30 Nov 2026 10:11:12 +0000"
#define WHEN_MS (INT64_C(1796033472) * 1000)

struct expected {
    const char *program;
    const char *body;
    const char *from, *from_info, *by, *by_info, *via, *with, *id, *recipient;
    unsigned faults;
    const char *address;
};

static const struct expected forms[] = {
    {"mailmod",
     "from a.example ([192.0.2.1])\r\n\tby mx.example with ESMTPS "
     "id 1A2B\r\n\tfor <u@x.example>;\r\n\t" WHEN,
     "a.example", "([192.0.2.1])", "mx.example", "", "", "ESMTPS", "1A2B",
     "<u@x.example>", 0, "192.0.2.1"},
    {"RFC 5321 appendix D", "from bar.com by foo.com ; " WHEN, "bar.com", "",
     "foo.com", "", "", "", "", "", 0, ""},
    {"Postfix",
     "from mail.a.example (mail.a.example [192.0.2.7])\n\t(using "
     "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n\t "
     "key-exchange X25519 server-signature RSA-PSS (2048 bits))\n\t"
     "(No client certificate requested)\n\tby mx.b.example (Postfix)"
     " with ESMTPS id 4FhX2k1Z5z\n\tfor <u@b.example>; " WHEN,
     "mail.a.example",
     "(mail.a.example [192.0.2.7]) (using TLSv1.3 with cipher "
     "TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 "
     "server-signature RSA-PSS (2048 bits)) (No client certificate requested)",
     "mx.b.example", "(Postfix)", "", "ESMTPS", "4FhX2k1Z5z", "<u@b.example>",
     0, "192.0.2.7"},
    {"Postfix, local",
     "by mx.example (Postfix, from userid 1000)\n\tid 3C1D; " WHEN, "", "",
     "mx.example", "(Postfix, from userid 1000)", "", "", "3C1D", "", 0, ""},
    {"Exim",
     "from [192.0.2.9] (helo=client.example)\n\tby mail.example with "
     "esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384\n\t(Exim 4.96)\n\t"
     "(envelope-from <a@a.example>)\n\tid 1nAbCd-0001xY-2Z\n\tfor "
     "u@b.example;\n\t" WHEN,
     "[192.0.2.9]", "(helo=client.example)", "mail.example", "", "", "esmtps",
     "1nAbCd-0001xY-2Z", "u@b.example", 0, ""},
    {"Exim, local",
     "from root by mail.example with local (Exim 4.94.2)\n\t"
     "(envelope-from <root@mail.example>) id 1n-0-A; " WHEN,
     "root", "", "mail.example", "", "", "local", "1n-0-A", "", 0, ""},
    {"Exim, with a peer's port",
     "from [2001:db8::9] (port=55112 helo=c.example) by m.example with esmtpsa "
     "id 1 for u@b.example; " WHEN,
     "[2001:db8::9]", "(port=55112 helo=c.example)", "m.example", "", "",
     "esmtpsa", "1", "u@b.example", 0, ""},
    {"Gmail",
     "from mail-sor-f41.google.example (mail-sor-f41.google.example. "
     "[209.85.220.41])\n by mx.google.example with SMTPS id "
     "d2e1a72fcca58\n for <u@gmail.example>\n (Google Transport "
     "Security); Mon, 30 Nov 2026 02:11:12 -0800 (PST)",
     "mail-sor-f41.google.example",
     "(mail-sor-f41.google.example. [209.85.220.41])", "mx.google.example", "",
     "", "SMTPS", "d2e1a72fcca58", "<u@gmail.example>", 0, "209.85.220.41"},
    {"Gmail, within",
     "by 2002:a05:6a20:8410:b0:1b2 with SMTP id c16csp1;\n "
     "Mon, 30 Nov 2026 02:11:12 -0800 (PST)",
     "", "", "2002:a05:6a20:8410:b0:1b2", "", "", "SMTP", "c16csp1", "", 0, ""},
    {"Exchange Online",
     "from AM0.eurprd04.prod.example (2603:10a6:208:ca::34) by\n "
     "VI1.eurprd04.prod.example (2603:10a6:800:52::12) with Microsoft SMTP\n "
     "Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id"
     "\n 15.20.7362.24; " WHEN,
     "AM0.eurprd04.prod.example", "(2603:10a6:208:ca::34)",
     "VI1.eurprd04.prod.example", "(2603:10a6:800:52::12)", "",
     "Microsoft SMTP Server", "15.20.7362.24", "", 0, "2603:10a6:208:ca::34"},
    {"Exchange, transport",
     "from E.example (10.0.0.5) by F.example (10.0.0.6) with Microsoft SMTP "
     "Server id 15.1.2507.39 via Frontend Transport; " WHEN,
     "E.example", "(10.0.0.5)", "F.example", "(10.0.0.6)", "Frontend Transport",
     "Microsoft SMTP Server", "15.1.2507.39", "", MAILMOD_RECEIVED_ORDER,
     "10.0.0.5"},
    {"Exchange, mapi",
     "from E.example ([fe80::1]) by E.example ([fe80::1%4]) "
     "with mapi id 15.20.1; " WHEN,
     "E.example", "([fe80::1])", "E.example", "([fe80::1%4])", "", "mapi",
     "15.20.1", "", 0, "fe80::1"},
    {"SMTPSVC",
     "from c.example ([192.0.2.4]) by s.example with Microsoft "
     "SMTPSVC(6.0.3790.3959);\n\t Mon, 30 Nov 2026 10:11:12 +0000",
     "c.example", "([192.0.2.4])", "s.example", "", "", "Microsoft SMTPSVC", "",
     "", 0, "192.0.2.4"},
    {"qmail, local",
     "(qmail 12345 invoked by uid 89); 30 Nov 2026 10:11:12 -0000", "",
     "(qmail 12345 invoked by uid 89)", "", "", "", "", "", "",
     MAILMOD_RECEIVED_NO_BY, ""},
    {"qmail, network",
     "from unknown (HELO c.example) (u@192.0.2.5)\n  by 0 "
     "with SMTP; 30 Nov 2026 10:11:12 -0000",
     "unknown", "(HELO c.example) (u@192.0.2.5)", "0", "", "", "SMTP", "", "",
     0, "192.0.2.5"},
    {"netqmail",
     "from c.example (192.0.2.5)\n  by s.example with "
     "(DHE-RSA-AES256-SHA encrypted) SMTP; 30 Nov 2026 10:11:12 "
     "-0000",
     "c.example", "(192.0.2.5)", "s.example", "", "", "SMTP", "", "", 0,
     "192.0.2.5"},
    {"sendmail",
     "from c.example (c.example [192.0.2.6] (may be forged))\n\tby "
     "s.example (8.17.1/8.17.1) with ESMTPS id 3AUABC012345\n\t"
     "(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 "
     "verify=NOT)\n\tfor <u@s.example>; " WHEN,
     "c.example", "(c.example [192.0.2.6] (may be forged))", "s.example",
     "(8.17.1/8.17.1)", "", "ESMTPS", "3AUABC012345", "<u@s.example>", 0,
     "192.0.2.6"},
    {"sendmail, local",
     "(from root@localhost)\n\tby s.example "
     "(8.15.2/8.15.2/Submit) id 3AU1;\n\t" WHEN,
     "", "(from root@localhost)", "s.example", "(8.15.2/8.15.2/Submit)", "", "",
     "3AU1", "", 0, ""},
    {"Lotus Domino",
     "from m.example ([192.0.2.8])\n          by "
     "notes.example (Lotus Domino Release 8.5.3FP6)\n          "
     "with ESMTP id 2026113010111212-12345 ;\n          "
     "Mon, 30 Nov 2026 11:11:12 +0100",
     "m.example", "([192.0.2.8])", "notes.example",
     "(Lotus Domino Release 8.5.3FP6)", "", "ESMTP", "2026113010111212-12345",
     "", 0, "192.0.2.8"},
    {"Yahoo",
     "from [192.0.2.11] by nm1.example with NNFMP; 30 Nov 2026 "
     "10:11:12 -0000",
     "[192.0.2.11]", "", "nm1.example", "", "", "NNFMP", "", "", 0, ""},
    {"Yahoo, out", "from 192.0.2.12\n by s.example with HTTP; " WHEN,
     "192.0.2.12", "", "s.example", "", "", "HTTP", "", "", 0, ""},
    {"fetchmail",
     "from imap.example [192.0.2.13]\n\tby localhost with IMAP "
     "(fetchmail-6.4.16)\n\tfor <u@localhost> (single-drop); " WHEN,
     "imap.example", "", "localhost", "", "", "IMAP", "", "<u@localhost>",
     MAILMOD_RECEIVED_WORDS, ""},
    {"getmail",
     "from pop.example (192.0.2.14) by h.example with POP3-SSL; " WHEN,
     "pop.example", "(192.0.2.14)", "h.example", "", "", "POP3-SSL", "", "", 0,
     "192.0.2.14"},
    {"amavis",
     "from s.example ([127.0.0.1])\n\tby localhost (s.example "
     "[127.0.0.1]) (amavis, port 10024)\n\twith LMTP id "
     "aBcD-eFgH for <u@s.example>;\n\t" WHEN,
     "s.example", "([127.0.0.1])", "localhost",
     "(s.example [127.0.0.1]) (amavis, port 10024)", "", "LMTP", "aBcD-eFgH",
     "<u@s.example>", 0, "127.0.0.1"},
    {"Dovecot",
     "from s.example\n\tby s.example with LMTP\n\tid "
     "aB3dEf6hIj\n\t(envelope-from <a@a.example>)\n\tfor "
     "<u@s.example>; " WHEN,
     "s.example", "", "s.example", "", "", "LMTP", "aB3dEf6hIj",
     "<u@s.example>", 0, ""},
    {"Cyrus",
     "from mx.example (mx.example [10.0.0.1])\n\t by imap.example "
     "(Cyrus 3.8.0) with LMTPA;\n\t " WHEN,
     "mx.example", "(mx.example [10.0.0.1])", "imap.example", "(Cyrus 3.8.0)",
     "", "LMTPA", "", "", 0, "10.0.0.1"},
    {"Courier",
     "from c.example (softdnserr [::ffff:192.0.2.15])\n  (AUTH: "
     "LOGIN u@x.example)\n  by s.example with ESMTPSA\n  (TLS: "
     "TLSv1/SSLv3,256bits,AES256-SHA)\n  id 00000000000200AB.6; " WHEN,
     "c.example", "(softdnserr [::ffff:192.0.2.15]) (AUTH: LOGIN u@x.example)",
     "s.example", "", "", "ESMTPSA", "00000000000200AB.6", "", 0,
     "::ffff:192.0.2.15"},
    {"OpenSMTPD",
     "from c.example (c.example [192.0.2.16])\n\tby s.example "
     "(OpenSMTPD) with ESMTPS id 1a2b3c4d "
     "(TLSv1.3:TLS_AES_256_GCM_SHA384:256:NO)\n\tfor "
     "<u@s.example>;\n\t" WHEN,
     "c.example", "(c.example [192.0.2.16])", "s.example", "(OpenSMTPD)", "",
     "ESMTPS", "1a2b3c4d", "<u@s.example>", 0, "192.0.2.16"},
    {"Haraka",
     "from c.example (unknown [192.0.2.17])\n\tby s.example "
     "(Haraka/2.8.28) with ESMTPSA id 5F3A.1\n\tenvelope-from "
     "<a@a.example> (authenticated bits=0)\n\t(cipher=AES128); " WHEN,
     "c.example", "(unknown [192.0.2.17])", "s.example", "(Haraka/2.8.28)", "",
     "ESMTPSA", "5F3A.1", "", 0, "192.0.2.17"},
    {"James",
     "from 192.0.2.18 (EHLO c.example) ([192.0.2.18])\n          by "
     "s.example (JAMES SMTP Server ) with ESMTP ID 1234567\n          "
     "for <u@s.example>;\n          " WHEN,
     "192.0.2.18", "(EHLO c.example) ([192.0.2.18])", "s.example",
     "(JAMES SMTP Server )", "", "ESMTP", "1234567", "<u@s.example>", 0,
     "192.0.2.18"},
    {"CommuniGate",
     "from [192.0.2.19] (account u@x.example HELO c.example)\n  "
     "by s.example (CommuniGate Pro SMTP 6.3.3)\n  with ESMTPSA "
     "id 123 for u@x.example; " WHEN,
     "[192.0.2.19]", "(account u@x.example HELO c.example)", "s.example",
     "(CommuniGate Pro SMTP 6.3.3)", "", "ESMTPSA", "123", "u@x.example", 0,
     ""},
    {"CommuniGate, within",
     "by s.example (CommuniGate Pro PIPE 6.3)\n  with "
     "PIPE id 124; " WHEN,
     "", "", "s.example", "(CommuniGate Pro PIPE 6.3)", "", "PIPE", "124", "",
     0, ""},
    {"MDaemon",
     "from c.example by s.example (MDaemon PRO v21.5.2) \n\twith "
     "ESMTP id md50000000001.msg\n\tfor <u@s.example>; " WHEN,
     "c.example", "", "s.example", "(MDaemon PRO v21.5.2)", "", "ESMTP",
     "md50000000001.msg", "<u@s.example>", 0, ""},
    {"Zimbra",
     "from s.example (LHLO s.example) (10.0.0.2) by\n s.example with "
     "LMTP; Mon, 30 Nov 2026 11:11:12 +0100 (CET)",
     "s.example", "(LHLO s.example) (10.0.0.2)", "s.example", "", "", "LMTP",
     "", "", 0, "10.0.0.2"},
    {"MailEnable",
     "from c.example ([192.0.2.20]) by s.example with MailEnable "
     "ESMTPA; " WHEN,
     "c.example", "([192.0.2.20])", "s.example", "", "", "MailEnable ESMTPA",
     "", "", 0, "192.0.2.20"},
    {"IMail",
     "from c.example [192.0.2.21] by s.example\n  (SMTPD32-8.15) id "
     "A1B2; " WHEN,
     "c.example", "", "s.example", "(SMTPD32-8.15)", "", "", "A1B2", "",
     MAILMOD_RECEIVED_WORDS, ""},
    {"Mercury", "from spooler by s.example (Mercury/32 v4.74); " WHEN,
     "spooler", "", "s.example", "(Mercury/32 v4.74)", "", "", "", "", 0, ""},
    {"PowerMTA",
     "by s.example (PowerMTA(TM) v4.5) id hqabc for <u@x.example>; " WHEN
     " (envelope-from <b@s.example>)",
     "", "", "s.example", "(PowerMTA(TM) v4.5)", "", "", "hqabc",
     "<u@x.example>", 0, ""},
    {"GroupWise", "from GWDOM-MTA by s.example\n\twith Novell_GroupWise; " WHEN,
     "GWDOM-MTA", "", "s.example", "", "", "Novell_GroupWise", "", "", 0, ""},
    {"PMDF",
     "from c.example by s.example (PMDF V6.4 #31801)\n id "
     "<0ABC@s.example> for u@s.example; " WHEN,
     "c.example", "", "s.example", "(PMDF V6.4 #31801)", "", "",
     "<0ABC@s.example>", "u@s.example", 0, ""},
    {"Sun Java",
     "from c.example ([192.0.2.22])\n by s.example (Oracle "
     "Communications Messaging Server)\n with ESMTPA id "
     "<0R5@s.example>; " WHEN,
     "c.example", "([192.0.2.22])", "s.example",
     "(Oracle Communications Messaging Server)", "", "ESMTPA",
     "<0R5@s.example>", "", 0, "192.0.2.22"},
    {"UUCP", "from relay by gate.example via UUCP with rmail id AA01234; " WHEN,
     "relay", "", "gate.example", "", "UUCP", "rmail", "AA01234", "", 0, ""},
    {"via TCP", "from c.example by s.example via TCP with ESMTP id 7; " WHEN,
     "c.example", "", "s.example", "", "TCP", "ESMTP", "7", "", 0, ""},
    {"webmail",
     "from 192.0.2.23 (SquirrelMail authenticated user u)\n by "
     "w.example with HTTP;\n " WHEN,
     "192.0.2.23", "(SquirrelMail authenticated user u)", "w.example", "", "",
     "HTTP", "", "", 0, ""},
    {"GMX", "from [192.0.2.24] by msvc-mesg.example (via HTTP); " WHEN,
     "[192.0.2.24]", "", "msvc-mesg.example", "(via HTTP)", "", "", "", "", 0,
     ""},
    {"Mailgun", "by luna.example with HTTP; " WHEN, "", "", "luna.example", "",
     "", "HTTP", "", "", 0, ""},
    {"SendGrid",
     "by filter1.example with SMTP id filter1-12345-5F\n        "
     "2026-11-30 10:11:12.345678901 +0000 UTC m=+0.1",
     "", "", "filter1.example", "", "", "SMTP", "filter1-12345-5F", "",
     MAILMOD_RECEIVED_NO_DATE | MAILMOD_RECEIVED_WORDS, ""},
    {"SendGrid, geopod",
     "from u (ec2.example [192.0.2.25])\n\tby geopod "
     "(SG) with ESMTP id abc\n\tfor <u@x.example>; "
     "2026-11-30T10:11:12Z",
     "u", "(ec2.example [192.0.2.25])", "geopod", "(SG)", "", "ESMTP", "abc",
     "<u@x.example>", 0, "192.0.2.25"},
    {"no semicolon", "from c.example by s.example with SMTP id 9 " WHEN,
     "c.example", "", "s.example", "", "", "SMTP", "9", "",
     MAILMOD_RECEIVED_NO_SEMICOLON, ""},
    {"servers with the names of clauses",
     "from id ([192.0.2.27]) by for with with id by for id; " WHEN, "id",
     "([192.0.2.27])", "for", "", "", "with", "by", "id", 0, "192.0.2.27"},
    {"Internet literal",
     "from [IPv6:2001:db8::26] ([IPv6:2001:db8::26]) by "
     "s.example with UTF8SMTPS id 10; " WHEN,
     "[IPv6:2001:db8::26]", "([IPv6:2001:db8::26])", "s.example", "", "",
     "UTF8SMTPS", "10", "", 0, "2001:db8::26"},
};

static const struct expected faulty[] = {
    {"nothing", "", "", "", "", "", "", "", "", "",
     MAILMOD_RECEIVED_NO_BY | MAILMOD_RECEIVED_NO_DATE, ""},
    {"another date", "by s.example; yesterday", "", "", "s.example", "", "", "",
     "", "", MAILMOD_RECEIVED_BAD_DATE, ""},
    {"no such day", "by s.example; Tue, 31 Nov 2026 10:11:12 +0000", "", "",
     "s.example", "", "", "", "", "", MAILMOD_RECEIVED_BAD_DATE, ""},
    {"twice", "from a by s.example by t.example id 1; " WHEN, "a", "",
     "s.example", "", "", "", "1", "", MAILMOD_RECEIVED_TWICE, ""},
    {"other order", "by s.example from a; " WHEN, "a", "", "s.example", "", "",
     "", "", "", MAILMOD_RECEIVED_ORDER, ""},
    {"no value", "from by s.example id; " WHEN, "", "", "s.example", "", "", "",
     "", "", MAILMOD_RECEIVED_NO_VALUE, ""},
    {"an odd word", "from a by s.example surely; " WHEN, "a", "", "s.example",
     "", "", "", "", "", MAILMOD_RECEIVED_WORDS, ""},
    {"open comment", "from a (b by s.example; " WHEN, "a", "(b by s.example",
     "", "", "", "", "", "", MAILMOD_RECEIVED_OPEN | MAILMOD_RECEIVED_NO_BY,
     ""},
    {"open bracket", "from a by s.example for <u@x; " WHEN, "a", "",
     "s.example", "", "", "", "", "<u@x", MAILMOD_RECEIVED_OPEN, ""},
    {"two semicolons", "from a by s.example; soon; " WHEN, "a", "", "s.example",
     "", "", "", "", "", MAILMOD_RECEIVED_WORDS, ""},
    {"octets",
     "from a\x01"
     "b by s.example\xff; " WHEN,
     "a?b", "", "s.example?", "", "", "", "", "", MAILMOD_RECEIVED_OCTETS, ""},
    {"a semicolon in quotes", "from a by s.example id \"x;y \\\" z\"; " WHEN,
     "a", "", "s.example", "", "", "", "\"x;y \\\" z\"", "", 0, ""},
};

static void check_span(const char *program, struct mm_span span,
                       const char *expected)
{
    char text[512];
    assert_true(mm_span_copy(span, text, sizeof text));
    if (strcmp(text, expected) != 0) {
        print_error("%s:\n", program);
    }
    assert_string_equal(text, expected);
}

static void check(const struct expected *row)
{
    struct mm_trace_field field;
    struct mm_buf text;
    mm_buf_init(&text, MM_TRACE_FIELD_MAX);
    unsigned faults = mm_trace_unfold(mm_span_cstr(row->body), &text);
    mm_trace_field_read(mm_buf_span(&text), &field);
    check_span(row->program, field.from, row->from);
    check_span(row->program, field.from_info, row->from_info);
    check_span(row->program, field.by, row->by);
    check_span(row->program, field.by_info, row->by_info);
    check_span(row->program, field.via, row->via);
    check_span(row->program, field.with, row->with);
    check_span(row->program, field.id, row->id);
    check_span(row->program, field.recipient, row->recipient);
    check_span(row->program, mm_trace_field_address(&field), row->address);
    if ((field.faults | faults) != row->faults) {
        print_error("%s: faults %x\n", row->program, field.faults | faults);
    }
    assert_int_equal(field.faults | faults, row->faults);
    bool has_date = (row->faults & (MAILMOD_RECEIVED_NO_DATE |
                                    MAILMOD_RECEIVED_BAD_DATE)) == 0;
    assert_int_equal(field.has_time, has_date);
    if (has_date) {
        assert_int_equal(field.time_ms, WHEN_MS);
    }
    mm_buf_fini(&text);
}

static void test_forms(void **state)
{
    (void)state;
    assert_true(sizeof forms / sizeof forms[0] >= 50);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        check(&forms[i]);
    }
}

static void test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faulty / sizeof faulty[0]; i++) {
        check(&faulty[i]);
    }
    for (unsigned i = 0; i < MM_TRACE_FAULT_COUNT; i++) {
        assert_non_null(mm_trace_fault_text(i));
    }
    assert_null(mm_trace_fault_text(MM_TRACE_FAULT_COUNT));
}

/* Longer than is kept: the front is read, and it is told. */
static void test_long(void **state)
{
    (void)state;
    static char body[MM_TRACE_FIELD_MAX + 100];
    struct mm_trace_field field;
    struct mm_buf text;
    memset(body, 'x', sizeof body);
    memcpy(body, "by s.example id ", 16);
    mm_buf_init(&text, MM_TRACE_FIELD_MAX);
    assert_int_equal(mm_trace_unfold(mm_span(body, sizeof body), &text),
                     MAILMOD_RECEIVED_CUT);
    mm_trace_field_read(mm_buf_span(&text), &field);
    check_span("long", field.by, "s.example");
    assert_int_equal(field.faults, MAILMOD_RECEIVED_NO_DATE);
    mm_buf_fini(&text);
}

static struct mm_trace_field whole(void)
{
    struct mm_trace_field field = {
        .from = mm_span_cstr("a.example"),
        .from_info = mm_span_cstr("([192.0.2.1]) (seen)"),
        .by = mm_span_cstr("mx.example"),
        .by_info = mm_span_cstr("(mailmod)"),
        .via = mm_span_cstr("TCP"),
        .with = mm_span_cstr("esmtpsa"),
        .id = mm_span_cstr("1A"),
        .recipient = mm_span_cstr("<u@x.example>"),
        .has_time = true,
        .time_ms = WHEN_MS,
        .zone_minutes = -90,
    };
    return field;
}

static void test_written(void **state)
{
    (void)state;
    struct mm_trace_field field = whole();
    struct mm_buf out;
    mm_buf_init(&out, 4096);
    assert_int_equal(mm_trace_field_write(&out, &field), MAILMOD_OK);
    assert_string_equal(
        mm_buf_cstr(&out),
        "Received: from a.example ([192.0.2.1]) (seen)\r\n"
        "\tby mx.example (mailmod) via TCP with ESMTPSA id 1A\r\n"
        "\tfor <u@x.example>;\r\n\tMon, 30 Nov 2026 08:41:12 -0130\r\n");
    mm_buf_clear(&out);
    field = (struct mm_trace_field){.by = mm_span_cstr("mx.example")};
    field.with = mm_span_cstr("Microsoft SMTP Server");
    assert_int_equal(mm_trace_field_write(&out, &field), MAILMOD_OK);
    assert_string_equal(mm_buf_cstr(&out),
                        "Received: by mx.example with Microsoft SMTP "
                        "Server\r\n");
    mm_buf_fini(&out);
}

/* What would be read as something else is not written. */
static void test_not_written(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        const char *value;
    } rows[] = {
        {offsetof(struct mm_trace_field, from), "a b"},
        {offsetof(struct mm_trace_field, from), "a\r\nX-Forged: 1"},
        {offsetof(struct mm_trace_field, from_info), "no comment"},
        {offsetof(struct mm_trace_field, from_info), "(open"},
        {offsetof(struct mm_trace_field, by), "mx;"},
        {offsetof(struct mm_trace_field, by), "m\xff"},
        {offsetof(struct mm_trace_field, with), "Server id 7"},
        {offsetof(struct mm_trace_field, id), "(1)"},
        {offsetof(struct mm_trace_field, recipient), "u@x, v@x"},
    };
    struct mm_buf out;
    mm_buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_trace_field field = whole();
        *(struct mm_span *)(void *)((char *)&field + rows[i].offset) =
            mm_span_cstr(rows[i].value);
        assert_int_equal(mm_trace_field_write(&out, &field),
                         MAILMOD_ERROR_ARGUMENT);
        assert_int_equal(mm_buf_size(&out), 0);
    }
    struct mm_trace_field field = whole();
    field.zone_minutes = 5000;
    assert_int_equal(mm_trace_field_write(&out, &field),
                     MAILMOD_ERROR_ARGUMENT);
    static char name[1100];
    memset(name, 'n', sizeof name);
    field = whole();
    field.id = mm_span(name, sizeof name); /* a line above 998 octets */
    assert_int_equal(mm_trace_field_write(&out, &field),
                     MAILMOD_ERROR_ARGUMENT);
    mm_buf_fini(&out);
}

static void test_compared(void **state)
{
    (void)state;
    struct mm_trace_field a = whole();
    struct mm_trace_field b = whole();
    b.by = mm_span_cstr("MX.Example");
    b.with = mm_span_cstr("SMTP");
    assert_int_equal(mm_trace_field_compare(&a, &b), 0);
    b.id = mm_span_cstr("1a"); /* identifiers keep their case */
    assert_int_not_equal(mm_trace_field_compare(&a, &b), 0);
    assert_int_equal(mm_trace_field_compare(&a, &b),
                     -mm_trace_field_compare(&b, &a));
    a.id = b.id = mm_span_cstr("");
    assert_int_not_equal(mm_trace_field_compare(&a, &b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),       cmocka_unit_test(test_faults),
        cmocka_unit_test(test_long),        cmocka_unit_test(test_written),
        cmocka_unit_test(test_not_written), cmocka_unit_test(test_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
