/* fetch.c - when mail is fetched from mailboxes elsewhere.
 *
 * Owns the accounts and their visits. Promises: an account has one visit at a
 * time; after a failure it waits twice as long as the time before, up to four
 * hours; times and wishes stand in the store, so a restart neither forgets nor
 * repeats; a message that was refused here is not read again for an hour.
 *
 * Law: a worker reads the wishes; then what is due begins, as many as may run.
 * `busy` counts what is in work: each visit, the question to the worker, and a
 * change of settings on its way to the loop.
 * Thread: the loop, except what the header says. */
#include "client/fetch.h"

#include "client/fetch_session.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <string.h>

/* How soon a wish is seen. */
#define POLL_MS 2000
#define WAIT_MAX_MS (UINT64_C(4) * 3600 * 1000)
#define DOUBLINGS_MAX 10
#define LEFT_MS (UINT64_C(3600) * 1000)
/* Messages of an account that are remembered as refused; more are read. */
#define LEFT_MAX 64
#define NEVER UINT64_MAX

struct mm_fetch_settings {
    struct mm_task task;
    struct mm_fetcher *fetcher;
    struct mm_config *config;
    struct mm_peer_tls tls;
};

struct left {
    char key[MM_STORE_SEEN_KEY_MAX];
    uint64_t until_ms;
};

struct account {
    struct mm_list node;
    struct mm_fetcher *fetcher;
    struct mm_config_fetch config;
    struct mm_fetch_session *session;
    bool is_configured;
    bool is_known; /* the store was asked when it was fetched last */
    enum mm_store_fetch_wish wish;
    struct mm_list waiting;  /* for the next visit: mm_fetch_visit */
    struct mm_list visiting; /* for the present one */
    uint64_t due_ms;         /* monotonic; a count does not put it off */
    bool only_counts;        /* the present visit */
    struct left left[LEFT_MAX];
    size_t left_next;
};

struct row {
    char name[MM_STORE_FETCH_NAME_MAX];
    int64_t ended_ms;
    unsigned failures;
    enum mm_store_fetch_wish wish;
};

struct mm_fetcher {
    struct mm_fetcher_options options;
    struct mm_fetch_settings *settings;
    struct mm_list accounts;
    bool is_started;
    atomic_bool is_stopped;
    atomic_size_t busy;
    atomic_size_t visits; /* of `busy` */
    struct mm_timer timer;
    struct mm_task start_task;
    struct mm_task stop_task;
    struct mm_task cut_task;
    struct mm_job job;
    bool is_reading;
    struct row *rows; /* of all accounts that were ever fetched from */
    size_t row_count;
    size_t row_capacity;
    enum mailmod_error read_error;
};

#define EACH_ACCOUNT(node, fetcher) MM_LIST_EACH(node, &(fetcher)->accounts)

static struct account *account_of(struct mm_list *node)
{
    return MM_LIST_OBJECT(node, struct account, node);
}

/* ---- settings ---- */

enum mailmod_error
mm_fetch_settings_new(struct mm_fetch_settings **settings_out,
                      struct mm_config *config, struct mm_buf *reason_out)
{
    struct mm_fetch_settings *settings = mm_alloc(sizeof *settings);
    *settings_out = NULL;
    if (settings == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    settings->config = mm_config_ref(config);
    /* The system's authorities are a hundred certificates to read: not where
     * nobody is fetched from. A file of the operator's own is always tried. */
    bool is_used = config->fetch.accounts[0] != '\0' ||
                   config->fetch.authority_file[0] != '\0';
    enum mailmod_error error =
        is_used ? mm_peer_tls_open(
                      &settings->tls,
                      &(struct mm_peer_tls_options){
                          .authority_file = config->fetch.authority_file,
                          .about = "fetch"},
                      reason_out)
                : MAILMOD_OK;
    if (error != MAILMOD_OK) {
        mm_fetch_settings_free(&settings);
        return error;
    }
    *settings_out = settings;
    return MAILMOD_OK;
}

void mm_fetch_settings_free(struct mm_fetch_settings **settings)
{
    struct mm_fetch_settings *freed = *settings;
    *settings = NULL;
    if (freed != NULL) {
        mm_config_unref(&freed->config);
        mm_peer_tls_unref(&freed->tls);
        mm_free(freed);
    }
}

static struct account *find(struct mm_fetcher *fetcher, const char *name)
{
    EACH_ACCOUNT(node, fetcher)
    {
        if (strcmp(account_of(node)->config.name, name) == 0) {
            return account_of(node);
        }
    }
    return NULL;
}

/* `result` NULL: no visit was made. */
static void end_visits(struct mm_list *visits, enum mailmod_error error,
                       const struct mm_store_fetch *result)
{
    struct mm_list *node;
    while ((node = mm_list_take_first(visits)) != NULL) {
        struct mm_fetch_visit *visit =
            MM_LIST_OBJECT(node, struct mm_fetch_visit, node);
        visit->on_end(visit, error, result);
    }
}

static void free_account(struct account *account)
{
    bool is_stopped = atomic_load(&account->fetcher->is_stopped);
    end_visits(&account->waiting,
               is_stopped ? MAILMOD_ERROR_STOPPED : MAILMOD_ERROR_NOT_FOUND,
               NULL);
    mm_list_remove(&account->node);
    mm_fetch_session_free(&account->session);
    mm_secret_clear(&account->config, sizeof account->config);
    mm_free(account);
}

static void take_account(struct mm_fetcher *fetcher,
                         const struct mm_config_fetch *config)
{
    struct account *account = find(fetcher, config->name);
    if (account == NULL) {
        account = mm_alloc(sizeof *account);
        if (account == NULL) {
            MM_LOG(fetcher->options.log, MM_LOG_ERROR, "fetch",
                   "no memory for an account",
                   MM_TEXT("account", config->name));
            return;
        }
        account->fetcher = fetcher;
        account->due_ms = NEVER;
        mm_list_init(&account->waiting);
        mm_list_init(&account->visiting);
        mm_list_append(&fetcher->accounts, &account->node);
    }
    account->config = *config;
    account->is_configured = true;
    account->is_known = false; /* its interval may be another one */
}

/* The accounts become those of the settings. */
static void take_settings(struct mm_fetcher *fetcher)
{
    struct mm_span rest =
        mm_span_cstr(fetcher->settings->config->fetch.accounts);
    struct mm_config_fetch config;
    EACH_ACCOUNT(node, fetcher)
    {
        account_of(node)->is_configured = false;
    }
    while (mm_config_next_fetch(&rest, &config)) {
        take_account(fetcher, &config);
    }
    mm_secret_clear(&config, sizeof config);
    EACH_ACCOUNT(node, fetcher)
    {
        struct account *account = account_of(node);
        if (!account->is_configured && account->session == NULL) {
            free_account(account);
        }
    }
}

static void poll(struct mm_fetcher *fetcher);

static void run_use(struct mm_task *task)
{
    struct mm_fetch_settings *settings =
        MM_LIST_OBJECT(task, struct mm_fetch_settings, task);
    struct mm_fetcher *fetcher = settings->fetcher;
    mm_fetch_settings_free(&fetcher->settings);
    fetcher->settings = settings;
    take_settings(fetcher);
    poll(fetcher);
    atomic_fetch_sub(&fetcher->busy, 1);
}

void mm_fetcher_use(struct mm_fetcher *fetcher,
                    struct mm_fetch_settings **settings)
{
    struct mm_fetch_settings *taken = *settings;
    *settings = NULL;
    taken->fetcher = fetcher;
    taken->task.run = run_use;
    atomic_fetch_add(&fetcher->busy, 1);
    mm_loop_post(fetcher->options.loop, &taken->task);
}

/* ---- visits ---- */

static uint64_t wait_ms(const struct account *account, unsigned failures)
{
    uint64_t interval_ms = account->config.interval_ms;
    unsigned doublings = failures < DOUBLINGS_MAX ? failures : DOUBLINGS_MAX;
    uint64_t wait = interval_ms << doublings;
    uint64_t longest = interval_ms > WAIT_MAX_MS ? interval_ms : WAIT_MAX_MS;
    return wait < longest ? wait : longest;
}

static void set_due(struct account *account, uint64_t since_ms,
                    unsigned failures)
{
    uint64_t now_ms = mm_loop_now_ms(account->fetcher->options.loop);
    uint64_t wait = wait_ms(account, failures);
    if (account->config.interval_ms == 0) {
        account->due_ms = NEVER;
    } else {
        account->due_ms = now_ms + (wait > since_ms ? wait - since_ms : 0);
    }
}

static bool was_left(void *context, const char *key)
{
    const struct account *account = context;
    uint64_t now_ms = mm_loop_now_ms(account->fetcher->options.loop);
    for (size_t i = 0; i < LEFT_MAX && key[0] != '\0'; i++) {
        if (account->left[i].until_ms > now_ms &&
            strcmp(account->left[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

static void leave(void *context, const char *key)
{
    struct account *account = context;
    struct left *left = &account->left[account->left_next];
    account->left_next = (account->left_next + 1) % LEFT_MAX;
    (void)mm_span_copy(mm_span_cstr(key), left->key, sizeof left->key);
    left->until_ms = mm_loop_now_ms(account->fetcher->options.loop) + LEFT_MS;
}

static void on_progress(void *context, const struct mm_store_fetch *result)
{
    struct account *account = context;
    MM_LIST_EACH(node, &account->visiting)
    {
        struct mm_fetch_visit *visit =
            MM_LIST_OBJECT(node, struct mm_fetch_visit, node);
        visit->on_progress(visit, result);
    }
}

static void begin_due(struct mm_fetcher *fetcher);

static void on_gone(void *context, enum mailmod_error error,
                    const struct mm_store_fetch *result)
{
    struct account *account = context;
    struct mm_fetcher *fetcher = account->fetcher;
    if (!account->only_counts) {
        set_due(account, 0, result->failures);
    }
    end_visits(&account->visiting, error, result);
    mm_fetch_session_free(&account->session);
    if (!account->is_configured) {
        free_account(account);
    }
    atomic_fetch_sub(&fetcher->visits, 1);
    begin_due(fetcher);
    poll(fetcher);
    atomic_fetch_sub(&fetcher->busy, 1);
}

/* Who waits for a visit of this kind, and for less, waits for this one. */
static void take_visits(struct account *account, bool only_counts)
{
    MM_LIST_EACH(node, &account->waiting)
    {
        struct mm_fetch_visit *visit =
            MM_LIST_OBJECT(node, struct mm_fetch_visit, node);
        if (visit->only_counts || !only_counts) {
            mm_list_remove(&visit->node);
            mm_list_append(&account->visiting, &visit->node);
        }
    }
}

static bool wants_mail(const struct account *account, uint64_t now_ms)
{
    const struct mm_list *head = &account->waiting;
    bool wants =
        account->wish == MM_STORE_FETCH_RUN || account->due_ms <= now_ms;
    for (const struct mm_list *node = head->next; node != head;
         node = node->next) {
        wants =
            wants || !MM_LIST_OBJECT(node, const struct mm_fetch_visit, node)
                          ->only_counts;
    }
    return wants;
}

static void begin(struct account *account)
{
    struct mm_fetcher *fetcher = account->fetcher;
    bool only_counts =
        !wants_mail(account, mm_loop_now_ms(fetcher->options.loop));
    take_visits(account, only_counts);
    const struct mm_fetch_session_options options = {
        .loop = fetcher->options.loop,
        .resolver = fetcher->options.resolver,
        .workers = fetcher->options.workers,
        .store = fetcher->options.store,
        .post = fetcher->options.post,
        .log = fetcher->options.log,
        .tokens = fetcher->options.tokens,
        .config = fetcher->settings->config,
        .tls = fetcher->settings->tls,
        .account = &account->config,
        .only_counts = only_counts,
        .was_left = was_left,
        .leave = leave,
        .on_progress = on_progress,
        .on_gone = on_gone,
        .context = account};
    enum mailmod_error error =
        mm_fetch_session_new(&account->session, &options);
    account->wish = MM_STORE_FETCH_NO_WISH;
    account->only_counts = only_counts;
    account->due_ms = only_counts ? account->due_ms : NEVER;
    if (error != MAILMOD_OK) {
        MM_LOG(fetcher->options.log, MM_LOG_ERROR, "fetch",
               "a visit cannot be begun",
               MM_TEXT("account", account->config.name),
               MM_TEXT("error", mm_error_name(error)));
        set_due(account, 0, 1);
        end_visits(&account->visiting, error, NULL);
        return;
    }
    atomic_fetch_add(&fetcher->visits, 1);
    atomic_fetch_add(&fetcher->busy, 1);
    mm_fetch_session_start(account->session);
}

static void begin_due(struct mm_fetcher *fetcher)
{
    uint64_t now_ms = mm_loop_now_ms(fetcher->options.loop);
    if (atomic_load(&fetcher->is_stopped) ||
        mm_post_is_behind(fetcher->options.post)) {
        return;
    }
    EACH_ACCOUNT(node, fetcher)
    {
        struct account *account = account_of(node);
        bool is_due =
            !mm_list_is_empty(&account->waiting) ||
            (account->is_known && (account->wish != MM_STORE_FETCH_NO_WISH ||
                                   account->due_ms <= now_ms));
        if (is_due && account->session == NULL && account->is_configured &&
            atomic_load(&fetcher->visits) <
                fetcher->settings->config->fetch.parallel) {
            begin(account);
        }
    }
}

/* ---- wishes ---- */

static bool on_row(void *context, const struct mm_store_fetch *fetch)
{
    struct mm_fetcher *fetcher = context;
    struct row *rows = mm_array_grow(fetcher->rows, fetcher->row_count,
                                     &fetcher->row_capacity, sizeof *rows);
    if (rows == NULL) {
        fetcher->read_error = MAILMOD_ERROR_MEMORY;
        return false;
    }
    fetcher->rows = rows;
    struct row *row = &rows[fetcher->row_count++];
    memcpy(row->name, fetch->name, sizeof row->name);
    row->ended_ms = fetch->ended_ms;
    row->failures = fetch->failures;
    row->wish = fetch->wish;
    return true;
}

/* thread: worker */
static void run_job(struct mm_job *job)
{
    struct mm_fetcher *fetcher = MM_LIST_OBJECT(job, struct mm_fetcher, job);
    fetcher->row_count = 0;
    fetcher->read_error = MAILMOD_OK;
    enum mailmod_error error =
        mm_store_each_fetch(fetcher->options.store, on_row, fetcher);
    if (error != MAILMOD_OK) {
        fetcher->read_error = error;
    }
}

static void take_row(struct mm_fetcher *fetcher, const struct row *row)
{
    struct account *account = find(fetcher, row->name);
    if (account == NULL) {
        return;
    }
    if (!account->is_known && row->ended_ms > 0) {
        int64_t since_ms =
            mm_loop_wall_ms(fetcher->options.loop) - row->ended_ms;
        set_due(account, since_ms > 0 ? (uint64_t)since_ms : 0, row->failures);
        account->is_known = true;
    }
    if (account->session == NULL) { /* its own row tells of the present one */
        account->wish = row->wish;
    }
}

static void take_rows(struct mm_fetcher *fetcher)
{
    for (size_t i = 0; i < fetcher->row_count; i++) {
        take_row(fetcher, &fetcher->rows[i]);
    }
    EACH_ACCOUNT(node, fetcher)
    {
        struct account *account = account_of(node);
        if (!account->is_known) { /* it was never fetched */
            set_due(account, wait_ms(account, 0), 0);
            account->is_known = true;
        }
    }
}

static void job_done(struct mm_job *job)
{
    struct mm_fetcher *fetcher = MM_LIST_OBJECT(job, struct mm_fetcher, job);
    fetcher->is_reading = false;
    if (!atomic_load(&fetcher->is_stopped)) {
        if (fetcher->read_error == MAILMOD_OK) {
            take_rows(fetcher);
            begin_due(fetcher);
        }
        mm_timer_set(&fetcher->timer, POLL_MS);
    }
    atomic_fetch_sub(&fetcher->busy, 1);
}

static void poll(struct mm_fetcher *fetcher)
{
    if (!fetcher->is_started || fetcher->is_reading ||
        atomic_load(&fetcher->is_stopped) ||
        mm_list_is_empty(&fetcher->accounts)) {
        return;
    }
    atomic_fetch_add(&fetcher->busy, 1);
    fetcher->is_reading = true;
    if (mm_workers_submit(fetcher->options.workers, &fetcher->job) !=
        MAILMOD_OK) {
        fetcher->is_reading = false;
        mm_timer_set(&fetcher->timer, POLL_MS);
        atomic_fetch_sub(&fetcher->busy, 1);
    }
}

static void on_expired(struct mm_timer *timer)
{
    poll(MM_LIST_OBJECT(timer, struct mm_fetcher, timer));
}

/* ---- its life ---- */

static void run_start(struct mm_task *task)
{
    struct mm_fetcher *fetcher =
        MM_LIST_OBJECT(task, struct mm_fetcher, start_task);
    fetcher->is_started = true;
    poll(fetcher);
    atomic_fetch_sub(&fetcher->busy, 1);
}

static void each_session(struct mm_fetcher *fetcher,
                         void (*act)(struct mm_fetch_session *session))
{
    EACH_ACCOUNT(node, fetcher)
    {
        if (account_of(node)->session != NULL) {
            act(account_of(node)->session);
        }
    }
}

static void run_visit(struct mm_task *task)
{
    struct mm_fetch_visit *visit =
        MM_LIST_OBJECT(task, struct mm_fetch_visit, task);
    struct mm_fetcher *fetcher = visit->fetcher;
    struct account *account = find(fetcher, visit->name);
    if (atomic_load(&fetcher->is_stopped)) {
        visit->on_end(visit, MAILMOD_ERROR_STOPPED, NULL);
    } else if (account == NULL || !account->is_configured) {
        visit->on_end(visit, MAILMOD_ERROR_NOT_FOUND, NULL);
    } else {
        mm_list_append(&account->waiting, &visit->node);
        begin_due(fetcher);
    }
    atomic_fetch_sub(&fetcher->busy, 1);
}

static void run_stop(struct mm_task *task)
{
    struct mm_fetcher *fetcher =
        MM_LIST_OBJECT(task, struct mm_fetcher, stop_task);
    mm_timer_cancel(&fetcher->timer);
    EACH_ACCOUNT(node, fetcher)
    {
        end_visits(&account_of(node)->waiting, MAILMOD_ERROR_STOPPED, NULL);
    }
    each_session(fetcher, mm_fetch_session_stop);
    atomic_fetch_sub(&fetcher->busy, 1);
}

static void run_cut(struct mm_task *task)
{
    struct mm_fetcher *fetcher =
        MM_LIST_OBJECT(task, struct mm_fetcher, cut_task);
    each_session(fetcher, mm_fetch_session_cut);
    atomic_fetch_sub(&fetcher->busy, 1);
}

enum mailmod_error mm_fetcher_new(struct mm_fetcher **fetcher_out,
                                  const struct mm_fetcher_options *options,
                                  struct mm_fetch_settings **settings)
{
    struct mm_fetcher *fetcher = mm_alloc(sizeof *fetcher);
    enum mailmod_error error = MAILMOD_ERROR_MEMORY;
    *fetcher_out = NULL;
    if (fetcher != NULL) {
        error = mm_timer_open(&fetcher->timer, options->loop, on_expired);
    }
    if (error != MAILMOD_OK) {
        mm_free(fetcher);
        mm_fetch_settings_free(settings);
        return error;
    }
    fetcher->options = *options;
    fetcher->settings = *settings;
    *settings = NULL;
    mm_list_init(&fetcher->accounts);
    fetcher->start_task.run = run_start;
    fetcher->stop_task.run = run_stop;
    fetcher->cut_task.run = run_cut;
    fetcher->job.loop = options->loop;
    fetcher->job.run = run_job;
    fetcher->job.done = job_done;
    take_settings(fetcher);
    *fetcher_out = fetcher;
    return MAILMOD_OK;
}

void mm_fetcher_free(struct mm_fetcher **fetcher)
{
    struct mm_fetcher *freed = *fetcher;
    *fetcher = NULL;
    if (freed == NULL) {
        return;
    }
    EACH_ACCOUNT(node, freed)
    {
        free_account(account_of(node));
    }
    mm_timer_close(&freed->timer);
    mm_fetch_settings_free(&freed->settings);
    mm_free(freed->rows);
    mm_free(freed);
}

static void post(struct mm_fetcher *fetcher, struct mm_task *task)
{
    atomic_fetch_add(&fetcher->busy, 1);
    mm_loop_post(fetcher->options.loop, task);
}

void mm_fetcher_start(struct mm_fetcher *fetcher)
{
    post(fetcher, &fetcher->start_task);
}

void mm_fetcher_visit(struct mm_fetcher *fetcher, struct mm_fetch_visit *visit)
{
    visit->fetcher = fetcher;
    visit->task.run = run_visit;
    mm_list_init(&visit->node);
    post(fetcher, &visit->task);
}

void mm_fetcher_stop(struct mm_fetcher *fetcher)
{
    atomic_store(&fetcher->is_stopped, true);
    post(fetcher, &fetcher->stop_task);
}

size_t mm_fetcher_visits(const struct mm_fetcher *fetcher)
{
    return atomic_load(&fetcher->visits);
}

size_t mm_fetcher_busy(const struct mm_fetcher *fetcher)
{
    return atomic_load(&fetcher->busy);
}

void mm_fetcher_cut(struct mm_fetcher *fetcher)
{
    post(fetcher, &fetcher->cut_task);
}
