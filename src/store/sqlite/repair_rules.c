/* repair_rules.c - what was saved of a store, put in order again.
 *
 * Owns nothing. Promises: after it, what docs/store-format.md says always holds
 * holds; a message whose text is not whole is none any more, and is named: its
 * identifier, whose it was, sender and subject where they can be read; a whole
 * text that lost its envelope or its place is kept for the operator, in a
 * mailbox of a disabled user or as a held recipient. Nothing that was promised
 * goes without a line. Thread: worker. */
#include "base/checksum.h"
#include "store/sqlite/repair.h"

#include <stdio.h>
#include <string.h>

/* Octets of a first piece in which the subject is looked for. */
enum { SUBJECT_LOOK = 16384, SUBJECT_MAX = 120 };

/* For who serves a copy: "Return-Path: <" ">" and its fields, as
 * mailbox/store_mailbox.c writes them. */
#define SERVED_SIZE                                                            \
    "17+length(CAST(coalesce(reverse_path,'') AS BLOB))+"                      \
    "CASE WHEN coalesce(original_to,'')='' THEN 0 ELSE "                       \
    "17+length(CAST(original_to AS BLOB)) END+"                                \
    "CASE WHEN coalesce(delivered_to,'')='' THEN 0 ELSE "                      \
    "16+length(CAST(delivered_to AS BLOB)) END"
/* One who refers, each. */
#define REFERRERS                                                              \
    "(SELECT message_id FROM recipient UNION ALL SELECT message_id FROM kept " \
    "UNION ALL SELECT message_id FROM deleted UNION ALL SELECT message_id "    \
    "FROM entry)"
#define TEXT_SIZE(id)                                                          \
    "(SELECT coalesce(sum(length(data)),0) FROM chunk WHERE message_id=" id    \
    ")+coalesce((SELECT length(data) FROM body WHERE body.id=" id "),0)"
#define HAS_GAP(id)                                                            \
    "(SELECT coalesce(max(number),0)<>count(*) FROM chunk WHERE "              \
    "message_id=" id ")"
#define MESSAGE_SIZE TEXT_SIZE("message.id")
#define MESSAGE_HAS_GAP HAS_GAP("message.id")
#define BODY_HAS_GAP HAS_GAP("body.id")
#define REMADE_SIZE TEXT_SIZE("remade.id")

/* What was never finished was promised to nobody. */
static const char sweep[] =
    "DELETE FROM pending WHERE id IN (SELECT m.id FROM pending p JOIN message "
    "m ON m.id=p.id WHERE m.reference_count>0);"
    "DELETE FROM body WHERE id IN (SELECT id FROM pending);"
    "DELETE FROM chunk WHERE message_id IN (SELECT id FROM pending);"
    "DELETE FROM chunk WHERE message_id IN (SELECT id FROM litter);"
    "DELETE FROM litter;"
    "DELETE FROM message WHERE id IN (SELECT id FROM pending);"
    "DELETE FROM pending;"
    "CREATE TEMP TABLE bad(id INTEGER PRIMARY KEY,why TEXT);"
    "CREATE TEMP TABLE remade(id INTEGER PRIMARY KEY);";

/* Which texts are not whole, and which have no envelope any more. */
static const char judge[] =
    "INSERT OR IGNORE INTO bad SELECT id,'pieces of its text are lost' FROM "
    "message WHERE size<>" MESSAGE_SIZE " OR " MESSAGE_HAS_GAP ";"
    "INSERT OR IGNORE INTO bad SELECT id,'its envelope and pieces of its text "
    "are lost' FROM body WHERE id NOT IN (SELECT id FROM message) "
    "AND " BODY_HAS_GAP ";"
    "INSERT OR IGNORE INTO bad SELECT DISTINCT message_id,'its envelope and "
    "the beginning of its text are lost' FROM chunk WHERE message_id NOT IN "
    "(SELECT id FROM message) AND message_id NOT IN (SELECT id FROM body);"
    "INSERT OR IGNORE INTO bad SELECT DISTINCT message_id,'it is lost' "
    "FROM " REFERRERS " WHERE message_id NOT IN (SELECT id FROM message) AND "
    "message_id NOT IN (SELECT id FROM body);"
    /* 41 bits of milliseconds since 2020; flags 1: its octets may be above
     * 127. */
    "INSERT INTO remade SELECT id FROM body WHERE id NOT IN (SELECT id FROM "
    "message) AND id NOT IN (SELECT id FROM bad);"
    "INSERT INTO message SELECT id,'',(id>>22)+1577836800000," REMADE_SIZE
    ",1,0,'',1 FROM remade;"
    "UPDATE recipient SET state=1 WHERE message_id IN (SELECT id FROM remade);"
    "UPDATE entry SET size=(SELECT size FROM message WHERE id=message_id)"
    "+" SERVED_SIZE " WHERE message_id IN (SELECT id FROM remade);"
    "UPDATE deleted SET size=(SELECT size FROM message WHERE id=message_id)"
    "+" SERVED_SIZE " WHERE message_id IN (SELECT id FROM remade);";

static const char drop_bad[] =
    "DELETE FROM entry WHERE message_id IN (SELECT id FROM bad);"
    "DELETE FROM recipient WHERE message_id IN (SELECT id FROM bad);"
    "DELETE FROM kept WHERE message_id IN (SELECT id FROM bad);"
    "DELETE FROM deleted WHERE message_id IN (SELECT id FROM bad);"
    "DELETE FROM message WHERE id IN (SELECT id FROM bad);"
    "DELETE FROM body WHERE id IN (SELECT id FROM bad);"
    "DELETE FROM chunk WHERE message_id IN (SELECT id FROM bad);"
    "DELETE FROM deleted WHERE (mailbox_id,number) IN (SELECT "
    "mailbox_id,number FROM entry);";

/* A mailbox without its row, and one without its user. */
static const char mailboxes[] =
    "CREATE TEMP TABLE box(id INTEGER PRIMARY KEY);"
    "INSERT OR IGNORE INTO box SELECT mailbox_id FROM entry UNION SELECT "
    "mailbox_id FROM deleted UNION SELECT mailbox_id FROM user;"
    "DELETE FROM box WHERE id IN (SELECT id FROM mailbox);"
    "INSERT INTO mailbox(id,tag,next_number) SELECT "
    "id,abs(random())%4294967296,"
    "1 FROM box;"
    "UPDATE mailbox SET next_number=max(next_number,1+max(coalesce((SELECT "
    "max(number) FROM entry WHERE mailbox_id=mailbox.id),0),coalesce((SELECT "
    "max(number) FROM deleted WHERE mailbox_id=mailbox.id),0)));"
    "CREATE TEMP TABLE nameless(id INTEGER PRIMARY KEY);"
    "INSERT INTO nameless SELECT id FROM mailbox WHERE is_gone=0 AND id NOT IN "
    "(SELECT mailbox_id FROM user) AND (id IN (SELECT mailbox_id FROM entry) "
    "OR id IN (SELECT mailbox_id FROM deleted));"
    "INSERT OR IGNORE INTO user(name,mailbox_id,salt,iterations,stored_key,"
    "server_key,is_disabled) SELECT 'recovered-'||id,id,randomblob(16),4096,"
    "randomblob(32),randomblob(32),1 FROM nameless;";

/* A whole message of which nobody knows any more whose it is. */
static const char orphans[] =
    "CREATE TEMP TABLE orphan(id INTEGER PRIMARY KEY);"
    "INSERT INTO orphan SELECT id FROM message WHERE reference_count>0 AND id "
    "NOT IN (SELECT message_id FROM " REFERRERS ");";
static const char partly[] =
    "CREATE TEMP TABLE partly(id INTEGER PRIMARY KEY);"
    "INSERT INTO partly SELECT m.id FROM message m JOIN (SELECT message_id,"
    "count(*) AS n FROM " REFERRERS " GROUP BY message_id) u ON "
    "u.message_id=m.id WHERE m.reference_count>u.n AND m.id NOT IN (SELECT id "
    "FROM remade);";
static const char keep_orphans[] =
    "INSERT INTO mailbox(id,tag,next_number) SELECT NULL,"
    "abs(random())%4294967296,1 WHERE NOT EXISTS(SELECT 1 FROM user WHERE "
    "name='recovered');"
    "INSERT OR IGNORE INTO user(name,mailbox_id,salt,iterations,stored_key,"
    "server_key,is_disabled) SELECT 'recovered',max(id),randomblob(16),4096,"
    "randomblob(32),randomblob(32),1 FROM mailbox;"
    "INSERT INTO entry(mailbox_id,number,message_id,size,flags) SELECT b.id,"
    "b.next_number-1+row_number() OVER (ORDER BY m.id),m.id,m.size+17+"
    "length(CAST(m.reverse_path AS BLOB)),0 FROM message m JOIN orphan USING"
    "(id) JOIN mailbox b ON b.id=(SELECT mailbox_id FROM user WHERE "
    "name='recovered');"
    "UPDATE mailbox SET next_number=next_number+(SELECT count(*) FROM orphan) "
    "WHERE id=(SELECT mailbox_id FROM user WHERE name='recovered');";

static const char count[] =
    "UPDATE message SET reference_count=(SELECT count(*) FROM recipient WHERE "
    "message_id=message.id)+(SELECT count(*) FROM kept WHERE "
    "message_id=message.id);"
    "UPDATE message SET reference_count=reference_count+u.n FROM (SELECT "
    "message_id,count(*) AS n FROM (SELECT message_id FROM deleted UNION ALL "
    "SELECT message_id FROM entry) GROUP BY message_id) u WHERE "
    "u.message_id=message.id;"
    "DELETE FROM message WHERE reference_count=0;"
    "DELETE FROM body WHERE id NOT IN (SELECT id FROM message);"
    "DELETE FROM chunk WHERE message_id NOT IN (SELECT id FROM message);"
    "UPDATE mailbox SET (entries,octets)=(SELECT count(*),coalesce(sum(size),"
    "0) FROM entry WHERE mailbox_id=mailbox.id);"
    "DROP TABLE temp.bad;DROP TABLE temp.remade;DROP TABLE temp.box;"
    "DROP TABLE temp.nameless;DROP TABLE temp.orphan;"
    "DROP TABLE temp.partly;";

static enum mailmod_error run(const struct mm_repair *repair, const char *text)
{
    return mm_sql_error(sqlite3_exec(repair->to.db, text, NULL, NULL, NULL));
}

/* Every piece against what was noted when it was put. */
static enum mailmod_error find_changed(const struct mm_repair *repair)
{
    sqlite3_stmt *row = NULL;
    sqlite3_stmt *put = NULL;
    enum mailmod_error error = mm_sql_error(sqlite3_prepare_v2(
        repair->to.db,
        "SELECT id,checksum,data FROM body UNION ALL SELECT message_id,"
        "checksum,data FROM chunk",
        -1, &row, NULL));
    if (error == MAILMOD_OK) {
        error = mm_sql_error(sqlite3_prepare_v2(
            repair->to.db,
            "INSERT OR IGNORE INTO bad VALUES(?,'its text was changed')", -1,
            &put, NULL));
    }
    while (error == MAILMOD_OK && mm_sql_step(row, &error)) {
        struct mm_span data = mm_span(sqlite3_column_blob(row, 2),
                                      (size_t)sqlite3_column_bytes(row, 2));
        if (mm_checksum(data) != (uint64_t)sqlite3_column_int64(row, 1)) {
            (void)sqlite3_bind_int64(put, 1, sqlite3_column_int64(row, 0));
            error = mm_sql_run(put);
        }
    }
    sqlite3_finalize(row);
    sqlite3_finalize(put);
    return error;
}

/* The line of the header, without what could move a terminal. */
static void find_subject(struct mm_span text, char out[SUBJECT_MAX + 1])
{
    static const char name[] = "subject:";
    size_t used = 0;
    struct mm_span rest =
        mm_span(text.data, text.size < SUBJECT_LOOK ? text.size : SUBJECT_LOOK);
    while (rest.size > 0 && rest.data[0] != '\r' &&
           !mm_span_starts_nocase(rest, name)) {
        const char *end = memchr(rest.data, '\n', rest.size);
        size_t size = end != NULL ? (size_t)(end - rest.data) + 1 : rest.size;
        rest = mm_span_from(rest, size);
    }
    if (mm_span_starts_nocase(rest, name)) {
        rest = mm_span_from(rest, sizeof name - 1);
        for (size_t i = 0; i < rest.size && used < SUBJECT_MAX &&
                           rest.data[i] != '\r' && rest.data[i] != '\n';
             i++) {
            unsigned char c = (unsigned char)rest.data[i];
            if (used > 0 || c != ' ') {
                out[used++] = c >= ' ' && c < 0x7f ? (char)c : '?';
            }
        }
    }
    out[used] = '\0';
}

static const char *text_or(sqlite3_stmt *row, int column, const char *absent)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text != NULL && text[0] != '\0' ? text : absent;
}

/* One line a row of (id, words); whose it is is looked up. */
static enum mailmod_error tell_messages(const struct mm_repair *repair,
                                        const char *from, const char *words)
{
    char text[1024];
    sqlite3_stmt *row = NULL;
    (void)snprintf(
        text, sizeof text,
        "SELECT b.id,%s,(SELECT group_concat(coalesce(u.name,'number '||"
        "e.mailbox_id),' ') FROM entry e LEFT JOIN user u ON "
        "u.mailbox_id=e.mailbox_id WHERE e.message_id=b.id),(SELECT "
        "group_concat(path,' ') FROM recipient WHERE message_id=b.id),"
        "m.reverse_path,y.data FROM %s b LEFT JOIN message m ON m.id=b.id LEFT "
        "JOIN body y ON y.id=b.id ORDER BY b.id",
        words, from);
    enum mailmod_error error =
        mm_sql_error(sqlite3_prepare_v2(repair->to.db, text, -1, &row, NULL));
    while (error == MAILMOD_OK && mm_sql_step(row, &error)) {
        char id[MM_MESSAGE_ID_TEXT_MAX];
        char subject[SUBJECT_MAX + 1];
        mm_message_id_format((uint64_t)sqlite3_column_int64(row, 0), id);
        find_subject(mm_span(sqlite3_column_blob(row, 5),
                             (size_t)sqlite3_column_bytes(row, 5)),
                     subject);
        mm_repair_say(repair,
                      "message %s: %s; mailbox: %s; recipients: %s; sender: "
                      "<%s>; subject: %s",
                      id, text_or(row, 1, ""), text_or(row, 2, "none"),
                      text_or(row, 3, "none"), text_or(row, 4, ""),
                      subject[0] != '\0' ? subject : "not readable");
    }
    sqlite3_finalize(row);
    return error;
}

static enum mailmod_error tell_rows(const struct mm_repair *repair,
                                    const char *query)
{
    sqlite3_stmt *row = NULL;
    enum mailmod_error error =
        mm_sql_error(sqlite3_prepare_v2(repair->to.db, query, -1, &row, NULL));
    while (error == MAILMOD_OK && mm_sql_step(row, &error)) {
        mm_repair_say(repair, "%s", text_or(row, 0, ""));
    }
    sqlite3_finalize(row);
    return error;
}

static enum mailmod_error keep_lost_mail(const struct mm_repair *repair)
{
    int64_t found = 0;
    enum mailmod_error error = run(repair, orphans);
    if (error == MAILMOD_OK) {
        error = run(repair, partly);
    }
    if (error == MAILMOD_OK) {
        error = tell_messages(repair, "partly",
                              "'it is lost to some of those whom it was for'");
    }
    if (error == MAILMOD_OK) {
        error =
            mm_sql_number(repair->to.db, "SELECT count(*) FROM orphan", &found);
    }
    if (error == MAILMOD_OK && found > 0) {
        error = tell_messages(repair, "orphan",
                              "'whose it is was lost, it is in the mailbox of "
                              "the disabled user recovered now'");
        if (error == MAILMOD_OK) {
            error = run(repair, keep_orphans);
        }
    }
    return error;
}

static enum mailmod_error mend_mailboxes(const struct mm_repair *repair)
{
    enum mailmod_error error = run(repair, mailboxes);
    if (error == MAILMOD_OK) {
        error = tell_rows(
            repair, "SELECT 'mailbox of '||coalesce((SELECT name FROM user "
                    "WHERE mailbox_id=box.id),'number '||id)||': its row was "
                    "lost and is made anew: programs that know its messages "
                    "fetch them once more' FROM box");
    }
    if (error == MAILMOD_OK) {
        error = tell_rows(
            repair, "SELECT 'mailbox number '||id||': its user was lost; it is "
                    "the disabled user recovered-'||id||' now: rename it, set "
                    "a password, enable it' FROM nameless");
    }
    return error;
}

enum mailmod_error mm_repair_rules(const struct mm_repair *repair)
{
    enum mailmod_error error = run(repair, sweep);
    if (error == MAILMOD_OK) {
        error = find_changed(repair);
    }
    if (error == MAILMOD_OK) {
        error = run(repair, judge);
    }
    if (error == MAILMOD_OK) {
        error = tell_messages(repair, "bad", "why");
    }
    if (error == MAILMOD_OK) {
        error = tell_messages(repair, "remade",
                              "'its envelope was lost: the sender is not known "
                              "any more, recipients are held'");
    }
    if (error == MAILMOD_OK) {
        error = run(repair, drop_bad);
    }
    if (error == MAILMOD_OK) {
        error = mend_mailboxes(repair);
    }
    if (error == MAILMOD_OK) {
        error = keep_lost_mail(repair);
    }
    return error == MAILMOD_OK ? run(repair, count) : error;
}
