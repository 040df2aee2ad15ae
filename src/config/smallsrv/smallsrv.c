/* smallsrv.c - the original engine's way to write a configuration, in one
 * value.
 *
 * The syntax is in file.c, the names in name.c and what each of them says in
 * value.c, listener.c and user.c. Owns nothing.
 * Thread: any. */
#include "config/smallsrv/smallsrv.h"

#include "config/smallsrv/file.h"
#include "config/smallsrv/name.h"

static const struct mm_config_dialect dialect = {
    .is_written_in = mm_smallsrv_is_written_in,
    .find_include = mm_smallsrv_find_include,
    .read = mm_smallsrv_read,
    .find = mm_smallsrv_find,
    .type_of = mm_smallsrv_type_of,
    .set = mm_smallsrv_set,
    .get = mm_smallsrv_get,
    .number = mm_smallsrv_number,
};

const struct mm_config_dialect *mm_smallsrv(void)
{
    return &dialect;
}
