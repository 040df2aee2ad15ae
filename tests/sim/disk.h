/* disk.h - what disk.c has the linker lead to it. Thread: the run's. */
#ifndef MM_SIM_DISK_H
#define MM_SIM_DISK_H

#include "crypto/crypto.h"
#include "sim.h"
#include "store/store.h"

MM_CHECK enum mailmod_error
__wrap_mm_store_open(struct mm_store **store_out,
                     const struct mm_store_options *options,
                     struct mm_buf *reason_out);
MM_CHECK enum mailmod_error
__real_mm_store_open(struct mm_store **store_out,
                     const struct mm_store_options *options,
                     struct mm_buf *reason_out);
void __wrap_mm_store_close(struct mm_store **store);
void __real_mm_store_close(struct mm_store **store);
void __wrap_mm_store_submit(struct mm_store *store, struct mm_store_job *job);
void __real_mm_store_submit(struct mm_store *store, struct mm_store_job *job);
MM_CHECK enum mailmod_error
__wrap_mm_pbkdf2_sha256(struct mm_span password, struct mm_span salt,
                        unsigned iterations, uint8_t key_out[MM_SHA256_SIZE]);
MM_CHECK enum mailmod_error
__real_mm_pbkdf2_sha256(struct mm_span password, struct mm_span salt,
                        unsigned iterations, uint8_t key_out[MM_SHA256_SIZE]);

#endif
