/* smtp_etrn.c - ETRN: what waits for a domain is tried now.
 *
 * Owns the work for one command, which is a worker's. Promises: no look at the
 * queue is made on the loop; at most ETRN_MAX recipients become due by one
 * command; held ones stay held; who may ask is the operator's list of networks
 * (smtp.etrn_from), and the mail goes where it would go anyway, never to who
 * asked.
 * Thread: the session's loop; run_etrn a worker, run_step the writer. RFC 1985
 * 5, 6. */
#include "base/mem.h"
#include "platform/clock.h"
#include "server/server_internal.h"
#include "server/smtp_session.h"

#include <string.h>

enum { ETRN_MAX = 10000, STEP_MAX = 256, PAGE = 64 };

struct mm_etrn {
    struct mm_job job;
    struct mm_store_job step;
    struct mm_smtp_session *smtp; /* which stays until the job is back */
    struct mm_store *store;
    char domain[MM_LIMIT_DOMAIN + 1];
    bool has_subdomains;
    int64_t now_ms;
    struct {
        uint64_t message_id;
        unsigned number;
    } chosen[STEP_MAX];
    size_t chosen_count;
    size_t waiting; /* recipients, due ones too */
    size_t count;   /* that became due */
    enum mailmod_error error;
};

static enum mailmod_error run_step(struct mm_store_job *job,
                                   struct mm_store_transaction *transaction)
{
    struct mm_etrn *etrn = MM_LIST_OBJECT(job, struct mm_etrn, step);
    enum mailmod_error error = MAILMOD_OK;
    size_t count = 0;

    for (size_t i = 0; error == MAILMOD_OK && i < etrn->chosen_count; i++) {
        error = mm_store_act_on_one(transaction, etrn->chosen[i].message_id,
                                    etrn->chosen[i].number, MAILMOD_QUEUE_FLUSH,
                                    etrn->now_ms, &count);
        /* It was delivered or removed meanwhile. */
        error = error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
    }
    return error;
}

/* Those who wait for a later time. */
static bool choose(void *context, const struct mm_store_recipient *recipient)
{
    struct mm_etrn *etrn = context;

    etrn->waiting++;
    if (recipient->next_attempt_ms > etrn->now_ms) {
        etrn->chosen[etrn->chosen_count].message_id = recipient->message_id;
        etrn->chosen[etrn->chosen_count].number = recipient->number;
        etrn->chosen_count++;
    }
    return etrn->chosen_count < STEP_MAX;
}

/* A step makes those due that the next one passes over. */
static void start_destination(struct mm_etrn *etrn, const char *destination)
{
    do {
        etrn->chosen_count = 0;
        etrn->error = mm_store_list_due(etrn->store, destination, INT64_MAX,
                                        choose, etrn);
        if (etrn->error == MAILMOD_OK && etrn->chosen_count > 0) {
            etrn->error = mm_store_run(etrn->store, &etrn->step);
            etrn->count += etrn->chosen_count;
        }
    } while (etrn->error == MAILMOD_OK && etrn->chosen_count == STEP_MAX &&
             etrn->count < ETRN_MAX);
}

static bool is_below(const char *name, const char *domain)
{
    size_t size = strlen(name);
    size_t tail = strlen(domain);

    return size > tail + 1 && name[size - tail - 1] == '.' &&
           strcmp(name + size - tail, domain) == 0;
}

static void start_subdomains(struct mm_etrn *etrn)
{
    struct mm_store_destination *page = mm_alloc_array(PAGE, sizeof *page);
    char after[MM_STORE_DESTINATION_MAX] = "";
    size_t count = PAGE;

    if (page == NULL) {
        etrn->error = MAILMOD_ERROR_MEMORY;
    }
    while (etrn->error == MAILMOD_OK && count == PAGE) {
        etrn->error =
            mm_store_list_destinations(etrn->store, after, page, PAGE, &count);
        for (size_t i = 0; etrn->error == MAILMOD_OK && i < count; i++) {
            if (is_below(page[i].name, etrn->domain) &&
                etrn->count < ETRN_MAX) {
                start_destination(etrn, page[i].name);
            }
        }
        if (count > 0) {
            memcpy(after, page[count - 1].name, sizeof after);
        }
    }
    mm_free(page);
}

static void run_etrn(struct mm_job *job)
{
    struct mm_etrn *etrn = MM_LIST_OBJECT(job, struct mm_etrn, job);

    etrn->now_ms = mm_clock_wall_ms();
    start_destination(etrn, etrn->domain);
    if (etrn->error == MAILMOD_OK && etrn->has_subdomains) {
        start_subdomains(etrn);
    }
}

static void on_etrn(struct mm_job *job)
{
    struct mm_smtp_session *smtp =
        MM_LIST_OBJECT(job, struct mm_etrn, job)->smtp;

    if (mm_session_job_done(&smtp->base)) {
        mm_session_pump(&smtp->base);
    }
}

static void begin(struct mm_smtp_session *smtp,
                  const struct mm_smtpd_info *info)
{
    struct mm_etrn *etrn = mm_alloc(sizeof *etrn);

    if (etrn != NULL) {
        etrn->smtp = smtp;
        etrn->store = smtp->base.server->store;
        etrn->has_subdomains = info->has_subdomains;
        etrn->step.run = run_step;
        etrn->job.loop = smtp->base.loop;
        etrn->job.run = run_etrn;
        etrn->job.done = on_etrn;
        (void)mm_span_copy(info->name, etrn->domain, sizeof etrn->domain);
    }
    if (etrn == NULL || mm_workers_submit(smtp->base.server->workers,
                                          &etrn->job) != MAILMOD_OK) {
        mm_free(etrn);
        mm_smtp_answer_id(smtp, MM_REPLY_ETRN_FAILED);
        return;
    }
    smtp->etrn = etrn;
    mm_wait_begin(&smtp->base.wait, MM_WAIT_JOB);
}

void mm_smtp_etrn(struct mm_smtp_session *smtp,
                  const struct mm_smtpd_info *info)
{
    struct mm_etrn *etrn = smtp->etrn;

    if (etrn == NULL) {
        begin(smtp, info);
        return;
    }
    smtp->etrn = NULL;
    MM_LOG(
        mm_smtp_log(smtp), MM_LOG_INFO, "smtp", "queue started by ETRN",
        MM_TEXT("session", smtp->base.identifier),
        MM_TEXT("peer", smtp->base.peer_text), MM_TEXT("domain", etrn->domain),
        MM_NUMBER("recipients", (int64_t)etrn->count),
        MM_TEXT("error",
                etrn->error == MAILMOD_OK ? "" : mm_error_name(etrn->error)));
    mm_smtp_answer_id(smtp, etrn->error != MAILMOD_OK ? MM_REPLY_ETRN_FAILED
                            : etrn->waiting > 0       ? MM_REPLY_ETRN_STARTED
                                                      : MM_REPLY_ETRN_NOTHING);
    mm_free(etrn);
}
