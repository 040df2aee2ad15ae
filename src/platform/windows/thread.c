/* thread.c - threads, mutexes and conditions on Windows.
 *
 * Owns the heap object behind each: a thread's handle, a slim lock, a
 * condition variable; the last two own nothing of the system's. Slim locks
 * cannot be taken twice by one thread, as the contract has it, and no wait
 * depends on the wall clock. Threads begin through the C library, so that its
 * own state of a thread is made and freed. There are no signals here; a
 * console's events come on a thread of the system's.
 * Thread: any. */
#include "platform/thread.h"
#include "base/mem.h"
#include "platform/windows/system.h"

#include <process.h>

enum { NAME_SIZE = 16 };

struct mm_thread {
    HANDLE handle;
    volatile LONG id; /* set by the thread itself; 0 before */
    WCHAR name[NAME_SIZE];
    void (*run)(void *context);
    void *context;
};

struct mm_mutex {
    SRWLOCK lock;
};

struct mm_condition {
    CONDITION_VARIABLE variable;
};

/* From Windows 10 1607 on; before, a thread has no name. */
static void set_name(const WCHAR *name)
{
    typedef HRESULT(WINAPI * set_description)(HANDLE thread, PCWSTR text);
    HMODULE kernel = GetModuleHandleW(L"kernel32.dll");
    if (kernel == NULL) {
        return;
    }
    FARPROC found = GetProcAddress(kernel, "SetThreadDescription");
    if (found != NULL) {
        set_description set = (set_description)(void (*)(void))found;
        (void)set(GetCurrentThread(), name);
    }
}

static unsigned __stdcall run_thread(void *context)
{
    struct mm_thread *thread = context;
    (void)InterlockedExchange(&thread->id, (LONG)GetCurrentThreadId());
    set_name(thread->name);
    thread->run(thread->context);
    return 0;
}

enum mailmod_error mm_thread_start(struct mm_thread **thread_out,
                                   const char *name, void (*run)(void *context),
                                   void *context)
{
    struct mm_thread *thread = mm_alloc(sizeof *thread);
    if (thread == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    thread->run = run;
    thread->context = context;
    /* Names of ours are ASCII. */
    for (size_t i = 0; i + 1 < NAME_SIZE && name[i] != '\0'; i++) {
        thread->name[i] = (WCHAR)name[i];
    }
    thread->handle =
        (HANDLE)_beginthreadex(NULL, 0, run_thread, thread, 0, NULL);
    if (thread->handle == NULL) {
        mm_free(thread);
        return MAILMOD_ERROR_MEMORY;
    }
    *thread_out = thread;
    return MAILMOD_OK;
}

/* There are no signals between threads. */
void mm_signal_mask_get(struct mm_signal_mask *mask_out)
{
    *mask_out = (struct mm_signal_mask){{0}};
}

void mm_signal_mask_use(const struct mm_signal_mask *mask)
{
    (void)mask;
}

void mm_thread_join(struct mm_thread **thread)
{
    if (*thread == NULL) {
        return;
    }
    (void)WaitForSingleObject((*thread)->handle, INFINITE);
    (void)CloseHandle((*thread)->handle);
    mm_free(*thread);
    *thread = NULL;
}

bool mm_thread_is_current(const struct mm_thread *thread)
{
    /* A thread that has not started is not the one that asks. */
    return thread != NULL && thread->id == (LONG)GetCurrentThreadId();
}

enum mailmod_error mm_mutex_new(struct mm_mutex **mutex_out)
{
    struct mm_mutex *mutex = mm_alloc(sizeof *mutex);
    if (mutex == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    InitializeSRWLock(&mutex->lock);
    *mutex_out = mutex;
    return MAILMOD_OK;
}

void mm_mutex_free(struct mm_mutex **mutex)
{
    mm_free(*mutex);
    *mutex = NULL;
}

void mm_mutex_lock(struct mm_mutex *mutex)
{
    AcquireSRWLockExclusive(&mutex->lock);
}

void mm_mutex_unlock(struct mm_mutex *mutex)
{
    ReleaseSRWLockExclusive(&mutex->lock);
}

struct mm_mutex *mm_process_mutex(enum mm_process_mutex which)
{
    static struct mm_mutex mutexes[MM_PROCESS_MUTEX_COUNT] = {
        [MM_PROCESS_SRV] = {SRWLOCK_INIT},
        [MM_PROCESS_HANDLES] = {SRWLOCK_INIT},
        [MM_PROCESS_STANDARD] = {SRWLOCK_INIT},
    };

    return &mutexes[which];
}

/* Windows has TerminateThread alone, from which nobody can be saved. */
void mm_cancel_defer(void)
{
}

void mm_cancel_allow(void)
{
}

void mm_process_lock(enum mm_process_mutex which)
{
    mm_mutex_lock(mm_process_mutex(which));
}

void mm_process_unlock(enum mm_process_mutex which)
{
    mm_mutex_unlock(mm_process_mutex(which));
}

enum mailmod_error mm_condition_new(struct mm_condition **condition_out)
{
    struct mm_condition *condition = mm_alloc(sizeof *condition);
    if (condition == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    InitializeConditionVariable(&condition->variable);
    *condition_out = condition;
    return MAILMOD_OK;
}

void mm_condition_free(struct mm_condition **condition)
{
    mm_free(*condition);
    *condition = NULL;
}

void mm_condition_wait(struct mm_condition *condition, struct mm_mutex *mutex)
{
    (void)SleepConditionVariableSRW(&condition->variable, &mutex->lock,
                                    INFINITE, 0);
}

bool mm_condition_wait_for(struct mm_condition *condition,
                           struct mm_mutex *mutex, uint64_t wait_ms)
{
    /* A longer wait ends early, after 24 days, and says so. */
    const uint64_t wait_max_ms = 0x7fffffff;
    bool is_cut = wait_ms > wait_max_ms;
    DWORD limited_ms = (DWORD)(is_cut ? wait_max_ms : wait_ms);
    return SleepConditionVariableSRW(&condition->variable, &mutex->lock,
                                     limited_ms, 0) ||
           is_cut;
}

void mm_condition_signal(struct mm_condition *condition)
{
    WakeConditionVariable(&condition->variable);
}

void mm_condition_broadcast(struct mm_condition *condition)
{
    WakeAllConditionVariable(&condition->variable);
}

unsigned mm_processor_count(void)
{
    DWORD_PTR own = 0;
    DWORD_PTR all = 0;
    unsigned count = 0;
    /* What this process may use. */
    if (GetProcessAffinityMask(GetCurrentProcess(), &own, &all)) {
        for (; own != 0; own &= own - 1) {
            count++;
        }
    }
    return count > 0 ? count : 1;
}
