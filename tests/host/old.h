/* old.h - each structure that begins with its size as the first version of the
 * public headers had it: for sizes.c, and for test_wire_sizes.c those of
 * mailmod/wire.h. They never change (docs/abi.md); a new one comes with the
 * version that brings it. */
#ifndef TESTS_HOST_OLD_H
#define TESTS_HOST_OLD_H

#include "mailmod.h"
#include "mailmod/client.h"
#include "mailmod/received.h"
#include "mailmod/wire.h"

struct old_setting {
    size_t size;
    const char *name;
    const char *value;
    const char *default_value;
    const char *help;
};

struct old_progress_report {
    size_t size;
    mailmod_message *message;
    enum mailmod_progress progress;
    uint64_t sent;
};

struct old_recipient {
    size_t size;
    const char *address;
    unsigned dsn_notify;
    const char *dsn_original_recipient;
};

struct old_header_field {
    size_t size;
    const char *name;
    const char *value;
};

struct old_envelope {
    size_t size;
    enum mailmod_send_mode mode;
    const char *reverse_path;
    const char *recipients;
    mailmod_on_progress on_progress;
    void *context;
    const char *relay_host;
    int relay_port;
    const char *relay_user;
    const char *relay_password;
    enum mailmod_relay_tls relay_tls;
};

struct old_result {
    size_t size;
    const char *recipient;
    enum mailmod_outcome outcome;
    int code;
    const char *enhanced;
    const char *text;
    const char *host;
};

struct old_mail_host {
    size_t size;
    const char *name;
    unsigned preference;
    const char *const *addresses;
    size_t address_count;
};

struct old_user {
    size_t size;
    const char *name;
    unsigned flags;
};

struct old_queue_entry {
    size_t size;
    const char *message;
    const char *reverse_path;
    const char *recipient;
    const char *destination;
    const char *last_reply;
    uint64_t message_size;
    int64_t arrival_ms, next_attempt_ms, expires_ms;
    unsigned attempts;
    int is_held;
};

struct old_queue_filter {
    size_t size;
    const char *message;
    const char *sender;
    const char *recipient;
    const char *domain;
    enum mailmod_queue_state state;
    uint64_t age_min_ms;
};

struct old_mailbox_provider {
    size_t size;
    const char *name;
    const char *domain;
    const char *service;
    int port;
    mailmod_on_mailbox_call authenticate;
    mailmod_on_mailbox_call list;
    mailmod_on_mailbox_call message_size;
    mailmod_on_mailbox_call read;
    mailmod_on_mailbox_call read_end;
    mailmod_on_mailbox_call remove;
    mailmod_on_mailbox_call close;
    void *context;
    mailmod_on_release on_release;
};

struct old_queue_destination {
    size_t size;
    const char *destination;
    uint64_t recipients, held;
    int64_t oldest_arrival_ms, next_attempt_ms;
    const char *last_reply;
};

struct old_event {
    size_t size;
    enum mailmod_event_kind kind;
    uint64_t connection;
    const char *message;
    const char *reverse_path;
    const char *recipient;
    enum mailmod_error error;
    int code;
    const char *enhanced;
    const char *text;
    const char *host;
    unsigned attempts;
};

struct old_deleted_message {
    size_t size;
    const char *unique_id;
    uint64_t octets;
    const char *reverse_path;
    int64_t received_ms;
    int64_t deleted_ms;
};

struct old_session_event {
    size_t size;
    enum mailmod_session_kind kind;
    uint64_t connection;
    const char *service;
    const char *peer;
    int is_tls;
    const char *user;
    const char *text;
    const char *command;
    enum mailmod_error error;
    int64_t time_ms;
    uint64_t left_out;
};

struct old_fetch_account {
    size_t size;
    const char *name;
    const char *source;
    const char *result;
    int64_t begun_ms, ended_ms;
    uint64_t listed, octets;
    uint64_t fresh;
    uint64_t fetched, deleted;
    uint64_t left;
    unsigned failures;
    int is_configured;
    int is_wished;
};

struct old_alias {
    size_t size;
    enum mailmod_alias_kind kind;
    const char *name;
    const char *target;
};

struct old_auto_reply {
    size_t size;
    const char *name;
    const char *subject;
    const char *text;
    int64_t from_ms;
    int64_t until_ms;
    int64_t days;
};

struct old_list_rule {
    size_t size;
    enum mailmod_list list;
    const char *user;
    const char *text;
    int64_t added_ms;
};

struct old_ban {
    size_t size;
    const char *address;
    int64_t since_ms, until_ms;
    unsigned failures;
};

struct old_spam {
    size_t size;
    const char *body;
    int64_t first_ms, last_ms;
    int64_t until_ms;
    uint64_t refusals;
};

struct old_kept {
    size_t size;
    enum mailmod_kept_kind kind;
    const char *message;
    const char *reverse_path;
    const char *recipient;
    const char *destination;
    const char *last_reply;
    uint64_t message_size;
    int64_t arrival_ms, kept_ms;
    unsigned attempts;
};

struct old_maillist {
    size_t size;
    const char *name;
    const char *owner;
    enum mailmod_maillist_rule rule;
    unsigned flags;
};

struct old_member {
    size_t size;
    const char *address;
    unsigned flags;
    unsigned bounces;
};

struct old_piece {
    size_t size;
    const char *octets;
    size_t count;
    int is_last;
    enum mailmod_error error;
};

struct old_mailbox_entry {
    size_t size;
    const char *unique_id;
    uint64_t octets;
    int64_t received_ms;
    unsigned flags;
};

struct old_allocator {
    size_t size;
    mailmod_allocate allocate;
    mailmod_resize resize;
    mailmod_give_back release;
    void *context;
    size_t covers;
};

struct old_received {
    size_t size;
    const char *from;
    const char *from_info;
    const char *by;
    const char *by_info;
    const char *via;
    const char *with;
    const char *id;
    const char *recipient;
    int has_time;
    int64_t time_ms;
    int zone_minutes;
    unsigned faults;
};

struct old_client_content {
    size_t size;
    mailmod_reader read;
    int (*rewind)(void *context);
    void *context;
    mailmod_on_release on_release;
};

struct old_client_login {
    size_t size;
    const char *server;
    const char *user;
    const char *password;
};

struct old_client_event {
    size_t size;
    mailmod_client_message *message;
    mailmod_client_recipient *recipient;
    enum mailmod_client_event_kind kind;
    enum mailmod_progress progress;
    uint64_t octets;
    unsigned missing;
    const char *host;
    const char *text;
};

struct old_client_line {
    size_t size;
    const char *octets;
    size_t count;
    enum mailmod_client_way way;
    int is_masked;
    uint64_t left_out;
};

struct old_trace_step {
    size_t size;
    const struct mailmod_received *received;
    const char *address;
    int has_delay;
    int64_t delay_ms;
    int is_loop;
    size_t loop_to;
};

struct old_token_question {
    size_t size;
    const char *account;
    const char *user, *host;
    unsigned port;
    int is_refresh;
    uint64_t wait_ms;
};

struct old_domain {
    size_t size;
    enum mailmod_domain_form form;
    int family;
    char text[256];
    char lower[256];
    unsigned char octets[16];
};

struct old_address {
    size_t size;
    enum mailmod_address_kind kind;
    enum mailmod_domain_form domain_form;
    int family;
    int needs_smtputf8;
    char text[776];
    char local_part[264];
    char domain[256];
    char route[1024];
    unsigned char octets[16];
};

struct old_smtp_request {
    size_t size;
    enum mailmod_smtp_verb verb;
    int is_last;
    uint64_t chunk_size;
    char word[64];
    char argument[2048];
    char path[2048];
    char parameters[2048];
};

struct old_smtp_reply {
    size_t size;
    int code;
    enum mailmod_smtp_reply_kind kind;
    unsigned line_count;
    char enhanced[12];
    char text[16392];
};

struct old_smtp_server_options {
    size_t size;
    const char *host_name;
    uint64_t message_size_max;
    unsigned flags;
    unsigned recipients_max;
    size_t errors_max;
};

struct old_smtp_server_event {
    size_t size;
    enum mailmod_smtp_server_event_kind kind;
    int is_extended;
    const char *name;
    const char *argument;
    const char *user;
    const char *password;
    const char *address;
    const char *envelope_id;
    const char *original_recipient;
    const char *text;
    const char *octets;
    size_t count;
    uint64_t message_size;
    enum mailmod_dsn_return dsn_return;
    unsigned dsn_notify;
    int is_8bit;
    int is_smtputf8;
    int has_8bit;
    int has_subdomains;
};

struct old_smtp_client_options {
    size_t size;
    const char *host_name;
    size_t flags;
};

struct old_smtp_client_event {
    size_t size;
    enum mailmod_smtp_client_event_kind kind;
    enum mailmod_error error;
    int code;
    int was_sent;
    const char *enhanced;
    const char *text;
    const char *mechanisms;
    const char *octets;
    size_t count;
    size_t recipient;
};

struct old_smtp_client_message {
    size_t size;
    const char *reverse_path;
    const char *const *recipients;
    size_t recipient_count;
    uint64_t message_size;
    const char *envelope_id;
    unsigned flags;
    unsigned dsn_notify;
    uint64_t dsn_return;
};

struct old_pop3_server_options {
    size_t size;
    const char *host_name;
    size_t flags;
};

struct old_pop3_server_event {
    size_t size;
    enum mailmod_pop3_server_event_kind kind;
    int is_of_one;
    uint64_t number;
    uint64_t lines;
    const char *user;
    const char *password;
    const char *name;
    const char *argument;
    const char *text;
};

struct old_pop3_client_options {
    size_t size;
    size_t flags;
};

struct old_pop3_client_event {
    size_t size;
    enum mailmod_pop3_client_event_kind kind;
    enum mailmod_error error;
    enum mailmod_pop3_verb verb;
    int is_ok;
    uint64_t number;
    uint64_t message_count;
    uint64_t message_size;
    const char *code;
    const char *text;
    const char *unique_id;
    const char *mechanisms;
    const char *octets;
    size_t count;
};

struct old_proxy_options {
    size_t size;
    enum mailmod_proxy_kind kind;
    unsigned port;
    const char *host;
    const char *user;
    const char *password;
};

struct old_proxy_event {
    size_t size;
    enum mailmod_proxy_event_kind kind;
    enum mailmod_error error;
    const char *text;
};

struct old_proxy_header {
    size_t size;
    size_t used;
    size_t port;
    char address[72];
};

#endif
