/* salvage.c - rows out of the pages of a damaged database.
 *
 * Owns the two files, open for reading, and three numbers a page: whose it is,
 * how that is known, where the log has it. Promises: no octet of the files is
 * believed: each length, page number and count is held against its bound, each
 * walk ends, and a page is read at most once a table. Thread: worker.
 * The form: SQLite's "Database File Format", 1.3 (header), 1.6 (trees and
 * overflow), 1.8 (pointer map), 2.1 (records), 4 (log). */
#include "store/sqlite/salvage.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum {
    LEAF_INDEX = 0x0a,
    LEAF_TABLE = 0x0d,
    NODE_INDEX = 0x02,
    NODE_TABLE = 0x05,
    MAP_ROOT = 1,
    MAP_TREE = 5,
    HEADER = 100,
    LOG_HEADER = 32,
    FRAME_HEADER = 24,
    DEPTH_MAX = 20,
    ROOTS_MAX = 64
};
#define PAGE_MIN 512u
#define PAGE_MAX 65536u
#define PAGES_MAX 0x7fffffffu
#define PAYLOAD_MAX ((uint64_t)16 * 1024 * 1024)
#define LOCKED_OCTET 0x40000000u /* the page with it holds nothing */

struct page {
    uint32_t root;   /* 0: nobody's */
    bool is_reached; /* its tree leads to it */
    uint16_t walk;   /* the last one that came here */
    uint64_t at;     /* in the log; 0: it is not there */
};

struct mm_salvage {
    struct mm_connection database;
    struct mm_connection log;
    struct page *pages; /* by number, from 1 */
    uint32_t page_count;
    uint32_t page_size;
    uint32_t usable;
    uint32_t version;
    uint64_t bad_pages;
    uint64_t bad_rows;
    uint32_t roots[ROOTS_MAX];
    size_t root_count;
    uint16_t walks;
    bool is_mapped; /* the owners are known */
    uint8_t *buffer;
    struct mm_buf payload;
};

static uint32_t be16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t be32(const uint8_t *at)
{
    return be16(at) << 16 | be16(at + 2);
}

/* 1 to 9 octets; 0: it does not end before `end`. */
static size_t read_varint(const uint8_t *at, const uint8_t *end, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < 9 && at + i < end; i++) {
        if (i == 8) {
            *out = value << 8 | at[i];
            return 9;
        }
        value = value << 7 | (at[i] & 0x7fu);
        if ((at[i] & 0x80u) == 0) {
            *out = value;
            return i + 1;
        }
    }
    return 0;
}

/* SQLite opens the file and reads nothing of it; its methods read what is there
 * on both systems, by names of any form. */
static sqlite3_file *file_of(const struct mm_connection *connection)
{
    sqlite3_file *file = NULL;
    if (connection->db != NULL) {
        (void)sqlite3_file_control(connection->db, "main",
                                   SQLITE_FCNTL_FILE_POINTER, &file);
    }
    return file != NULL && file->pMethods != NULL ? file : NULL;
}

static bool read_at(const struct mm_connection *connection, uint64_t at,
                    uint8_t *out, size_t size)
{
    sqlite3_file *file = file_of(connection);
    return file != NULL &&
           file->pMethods->xRead(file, out, (int)size, (sqlite3_int64)at) ==
               SQLITE_OK;
}

static uint64_t size_of(const struct mm_connection *connection)
{
    sqlite3_int64 size = 0;
    sqlite3_file *file = file_of(connection);
    return file != NULL &&
                   file->pMethods->xFileSize(file, &size) == SQLITE_OK &&
                   size > 0
               ? (uint64_t)size
               : 0;
}

/* Octets of a page, from a place in it on. */
static bool read_part(const struct mm_salvage *salvage, uint32_t number,
                      uint64_t place, uint8_t *out, size_t size)
{
    if (number == 0 || number > salvage->page_count) {
        return false;
    }
    uint64_t at = salvage->pages[number].at;
    return at != 0
               ? read_at(&salvage->log, at + place, out, size)
               : read_at(&salvage->database,
                         (uint64_t)(number - 1) * salvage->page_size + place,
                         out, size);
}

static bool read_page(const struct mm_salvage *salvage, uint32_t number,
                      uint8_t *out)
{
    return read_part(salvage, number, 0, out, salvage->page_size);
}

/* ---- the log ---- */

struct log_sum {
    bool is_big;
    uint32_t a, b;
};

static void add_sum(struct log_sum *sum, const uint8_t *octets, size_t size)
{
    for (size_t i = 0; i + 8 <= size; i += 8) {
        const uint8_t *o = octets + i;
        uint32_t x = be32(o);
        uint32_t y = be32(o + 4);
        if (!sum->is_big) {
            x = (uint32_t)o[3] << 24 | (uint32_t)o[2] << 16 |
                (uint32_t)o[1] << 8 | o[0];
            y = (uint32_t)o[7] << 24 | (uint32_t)o[6] << 16 |
                (uint32_t)o[5] << 8 | o[4];
        }
        sum->a += x + sum->b;
        sum->b += y + sum->a;
    }
}

/* Where the log has each page, up to its last whole transaction. */
struct log_walk {
    struct mm_salvage *salvage;
    struct log_sum sum;
    uint8_t header[LOG_HEADER];
    uint64_t at;
    uint64_t committed_end;
    uint32_t pages; /* of the database, after the last transaction */
};

static bool begin_log(struct log_walk *walk)
{
    uint32_t magic = 0;
    if (!read_at(&walk->salvage->log, 0, walk->header, LOG_HEADER)) {
        return false;
    }
    magic = be32(walk->header);
    walk->sum = (struct log_sum){.is_big = (magic & 1u) != 0};
    add_sum(&walk->sum, walk->header, 24);
    walk->at = LOG_HEADER;
    return (magic | 1u) == 0x377f0683u &&
           walk->sum.a == be32(walk->header + 24) &&
           walk->sum.b == be32(walk->header + 28);
}

static uint32_t log_page_size(struct mm_salvage *salvage)
{
    struct log_walk walk = {.salvage = salvage};
    return begin_log(&walk) ? be32(walk.header + 8) : 0;
}

/* False at the end of what is whole. */
static bool next_frame(struct log_walk *walk, uint32_t *page_out,
                       uint32_t *commit_out)
{
    struct mm_salvage *salvage = walk->salvage;
    uint8_t head[FRAME_HEADER];
    if (!read_at(&salvage->log, walk->at, head, FRAME_HEADER) ||
        memcmp(head + 8, walk->header + 16, 8) != 0 ||
        !read_at(&salvage->log, walk->at + FRAME_HEADER, salvage->buffer,
                 salvage->page_size)) {
        return false;
    }
    add_sum(&walk->sum, head, 8);
    add_sum(&walk->sum, salvage->buffer, salvage->page_size);
    *page_out = be32(head);
    *commit_out = be32(head + 4);
    return walk->sum.a == be32(head + 16) && walk->sum.b == be32(head + 20);
}

/* How far it is whole, and how many pages there are then. */
static void measure_log(struct log_walk *walk)
{
    uint32_t page = 0;
    uint32_t commit = 0;
    if (!begin_log(walk) ||
        be32(walk->header + 8) != walk->salvage->page_size) {
        return;
    }
    while (next_frame(walk, &page, &commit)) {
        walk->at += FRAME_HEADER + walk->salvage->page_size;
        if (commit != 0) {
            walk->committed_end = walk->at;
            walk->pages = commit;
        }
    }
}

static void note_log(struct mm_salvage *salvage, uint64_t end)
{
    uint64_t step = FRAME_HEADER + (uint64_t)salvage->page_size;
    uint8_t head[FRAME_HEADER];
    for (uint64_t at = LOG_HEADER;
         at < end && read_at(&salvage->log, at, head, FRAME_HEADER);
         at += step) {
        uint32_t page = be32(head);
        if (page > 0 && page <= salvage->page_count) {
            salvage->pages[page].at = at + FRAME_HEADER;
        }
    }
}

/* ---- opening ---- */

static bool is_page_size(uint32_t size)
{
    return size >= PAGE_MIN && size <= PAGE_MAX && (size & (size - 1)) == 0;
}

static void read_header(struct mm_salvage *salvage)
{
    uint8_t header[HEADER];
    uint32_t size = log_page_size(salvage);
    if (read_at(&salvage->database, 0, header, HEADER) && !is_page_size(size)) {
        size = be16(header + 16) == 1 ? PAGE_MAX : be16(header + 16);
    }
    salvage->page_size = is_page_size(size) ? size : 4096;
    salvage->usable = salvage->page_size; /* no store reserves octets */
}

static void read_version(struct mm_salvage *salvage)
{
    if (read_page(salvage, 1, salvage->buffer) &&
        memcmp(salvage->buffer, "SQLite format 3", 16) == 0 &&
        be32(salvage->buffer + 68) == MM_STORE_APPLICATION_ID) {
        salvage->version = be32(salvage->buffer + 60);
    }
}

static enum mailmod_error read_log(struct mm_salvage *salvage)
{
    struct log_walk walk = {.salvage = salvage};
    uint64_t pages = size_of(&salvage->database) / salvage->page_size;
    salvage->buffer = mm_alloc(salvage->page_size);
    if (salvage->buffer == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    measure_log(&walk);
    pages = walk.pages != 0 ? walk.pages : pages;
    salvage->page_count = pages < PAGES_MAX ? (uint32_t)pages : PAGES_MAX;
    salvage->pages =
        mm_alloc_array((size_t)salvage->page_count + 1, sizeof *salvage->pages);
    if (salvage->pages == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    note_log(salvage, walk.committed_end);
    read_version(salvage);
    return MAILMOD_OK;
}

enum mailmod_error mm_salvage_open(struct mm_salvage **salvage_out,
                                   const char *path)
{
    char log_path[MM_STORE_PATH_SIZE + 8];
    struct mm_salvage *salvage = mm_alloc(sizeof *salvage);
    *salvage_out = salvage;
    if (salvage == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_buf_init(&salvage->payload, PAYLOAD_MAX);
    (void)snprintf(log_path, sizeof log_path, "%s-wal", path);
    enum mailmod_error error =
        mm_database_open(&salvage->database, path, SQLITE_OPEN_READONLY);
    if (error == MAILMOD_OK && mm_fs_is_file(log_path)) {
        error = mm_database_open(&salvage->log, log_path, SQLITE_OPEN_READONLY);
    }
    if (error == MAILMOD_OK) {
        read_header(salvage);
        error = read_log(salvage);
    }
    if (error != MAILMOD_OK) {
        mm_salvage_close(salvage_out);
    }
    return error;
}

void mm_salvage_close(struct mm_salvage **salvage)
{
    struct mm_salvage *freed = *salvage;
    *salvage = NULL;
    if (freed != NULL) {
        mm_connection_close(&freed->database);
        mm_connection_close(&freed->log);
        mm_buf_fini(&freed->payload);
        mm_free(freed->pages);
        mm_free(freed->buffer);
        mm_free(freed);
    }
}

uint32_t mm_salvage_version(const struct mm_salvage *salvage)
{
    return salvage->version;
}

uint64_t mm_salvage_bad_pages(const struct mm_salvage *salvage)
{
    return salvage->bad_pages;
}

uint64_t mm_salvage_bad_rows(const struct mm_salvage *salvage)
{
    return salvage->bad_rows;
}

/* ---- whose a page is ---- */

/* The header of a page of a tree, and its cells' places. */
struct tree_page {
    const uint8_t *octets;
    const uint8_t *end;
    uint8_t kind;
    const uint8_t *places;
    uint32_t cells;
    uint32_t right; /* the last child, of a node */
};

static bool take_tree_page(const struct mm_salvage *salvage, uint32_t number,
                           const uint8_t *octets, struct tree_page *page_out)
{
    const uint8_t *head = octets + (number == 1 ? HEADER : 0);
    bool is_node = head[0] == NODE_INDEX || head[0] == NODE_TABLE;
    size_t head_size = is_node ? 12 : 8;
    *page_out = (struct tree_page){.octets = octets,
                                   .end = octets + salvage->usable,
                                   .kind = head[0],
                                   .places = head + head_size,
                                   .cells = be16(head + 3),
                                   .right = is_node ? be32(head + 8) : 0};
    return (is_node || head[0] == LEAF_INDEX || head[0] == LEAF_TABLE) &&
           page_out->cells <= (size_t)(page_out->end - page_out->places) / 2;
}

/* NULL: the place is none. */
static const uint8_t *cell_of(const struct tree_page *page, uint32_t which)
{
    size_t at = be16(page->places + 2 * (size_t)which);
    size_t begin =
        (size_t)(page->places - page->octets) + 2 * (size_t)page->cells;
    /* No cell is shorter than four octets. */
    return at >= begin && at + 4 <= (size_t)(page->end - page->octets)
               ? page->octets + at
               : NULL;
}

/* What the pointer map says of a page; false: nothing. */
static bool read_map(const struct mm_salvage *salvage, uint32_t number,
                     uint8_t *kind_out, uint32_t *parent_out)
{
    uint32_t each = salvage->usable / 5 + 1;
    uint32_t locked = LOCKED_OCTET / salvage->page_size + 1;
    uint32_t map = (number - 2) / each * each + 2;
    uint8_t entry[5];
    map += map == locked;
    if (number < 3 || number <= map || number == locked ||
        !read_part(salvage, map, (uint64_t)5 * (number - map - 1), entry,
                   sizeof entry)) {
        return false;
    }
    *kind_out = entry[0];
    *parent_out = be32(entry + 1);
    return true;
}

/* A way down one tree. Pages are not visited twice on it. */
struct tree_walk {
    struct mm_salvage *salvage;
    uint32_t root;
    bool is_strict; /* the pointer map must agree, where it can be read */
};

static bool may_enter(const struct tree_walk *walk, uint32_t number,
                      uint32_t parent)
{
    const struct mm_salvage *salvage = walk->salvage;
    uint8_t kind = 0;
    uint32_t said = 0;
    if (number == 0 || number > salvage->page_count ||
        salvage->pages[number].walk == salvage->walks ||
        (salvage->pages[number].root != 0 &&
         salvage->pages[number].root != walk->root)) {
        return false;
    }
    return !walk->is_strict || parent == 0 ||
           !read_map(salvage, number, &kind, &said) ||
           (kind == MAP_TREE && said == parent);
}

static void walk_down(const struct tree_walk *walk, uint32_t number,
                      uint32_t parent, unsigned depth)
{
    struct mm_salvage *salvage = walk->salvage;
    struct tree_page page;
    if (depth > DEPTH_MAX || !may_enter(walk, number, parent)) {
        return;
    }
    salvage->pages[number].root = walk->root;
    salvage->pages[number].walk = salvage->walks;
    salvage->pages[number].is_reached = true;
    uint8_t *octets = mm_alloc(salvage->page_size);
    if (octets != NULL && read_page(salvage, number, octets) &&
        take_tree_page(salvage, number, octets, &page) &&
        (page.kind == NODE_INDEX || page.kind == NODE_TABLE)) {
        for (uint32_t i = 0; i < page.cells; i++) {
            const uint8_t *cell = cell_of(&page, i);
            if (cell != NULL) {
                walk_down(walk, be32(cell), number, depth + 1);
            }
        }
        walk_down(walk, page.right, number, depth + 1);
    }
    mm_free(octets);
}

static void walk_trees(struct mm_salvage *salvage, bool is_strict)
{
    salvage->walks++;
    for (size_t i = 0; i < salvage->root_count; i++) {
        const struct tree_walk walk = {salvage, salvage->roots[i], is_strict};
        walk_down(&walk, walk.root, 0, 0);
    }
}

static bool is_root(const struct mm_salvage *salvage, uint32_t number)
{
    size_t i = 0;
    while (i < salvage->root_count && salvage->roots[i] != number) {
        i++;
    }
    return i < salvage->root_count;
}

/* Up the pointer map to a page whose owner is known, or to a root. */
static uint32_t root_by_map(const struct mm_salvage *salvage, uint32_t number)
{
    uint8_t kind = 0;
    uint32_t parent = 0;
    for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
        if (!read_map(salvage, number, &kind, &parent)) {
            return 0;
        }
        if (kind == MAP_ROOT) {
            return is_root(salvage, number) ? number : 0;
        }
        if (kind != MAP_TREE || parent == 0 || parent > salvage->page_count) {
            return 0;
        }
        if (salvage->pages[parent].root != 0) {
            return salvage->pages[parent].root;
        }
        number = parent;
    }
    return 0;
}

bool mm_salvage_add_root(struct mm_salvage *salvage, uint32_t root)
{
    if (root == 0 || root > salvage->page_count ||
        salvage->root_count == ROOTS_MAX) {
        return false;
    }
    salvage->roots[salvage->root_count++] = root;
    salvage->is_mapped = false;
    return true;
}

/* What tree and map agree on comes first, then what the map alone knows, then
 * what a tree alone does: either may be damaged. */
static void map_pages(struct mm_salvage *salvage)
{
    if (salvage->is_mapped) {
        return;
    }
    walk_trees(salvage, true);
    for (uint32_t i = 3; i <= salvage->page_count; i++) {
        if (salvage->pages[i].root == 0) {
            salvage->pages[i].root = root_by_map(salvage, i);
        }
    }
    walk_trees(salvage, false);
    salvage->is_mapped = true;
}

/* ---- rows ---- */

/* The payload's octets that stand in the page itself. */
static uint64_t local_size(const struct mm_salvage *salvage, bool is_table,
                           uint64_t size)
{
    uint64_t usable = salvage->usable;
    uint64_t most = is_table ? usable - 35 : (usable - 12) * 64 / 255 - 23;
    uint64_t least = (usable - 12) * 32 / 255 - 23;
    if (size <= most) {
        return size;
    }
    uint64_t local = least + (size - least) % (usable - 4);
    return local <= most ? local : least;
}

static bool add_overflow(struct mm_salvage *salvage, uint32_t next,
                         uint64_t size)
{
    while (mm_buf_size(&salvage->payload) < size) {
        uint64_t left = size - mm_buf_size(&salvage->payload);
        uint64_t part = left < salvage->usable - 4 ? left : salvage->usable - 4;
        if (!read_page(salvage, next, salvage->buffer)) {
            return false;
        }
        mm_buf_append(&salvage->payload, salvage->buffer + 4, (size_t)part);
        next = be32(salvage->buffer);
        if (mm_buf_error(&salvage->payload) != MAILMOD_OK) {
            return false;
        }
    }
    return true;
}

/* The payload of a cell, whole, into the buffer. */
static bool take_payload(struct mm_salvage *salvage, const uint8_t *at,
                         const uint8_t *end, bool is_table, uint64_t *row_id)
{
    uint64_t size = 0;
    size_t used = read_varint(at, end, &size);
    at += used;
    if (used != 0 && is_table) {
        used = read_varint(at, end, row_id);
        at += used;
    }
    if (used == 0 || size == 0 || size > PAYLOAD_MAX) {
        return false;
    }
    uint64_t local = local_size(salvage, is_table, size);
    if ((uint64_t)(end - at) < local + (local < size ? 4 : 0)) {
        return false;
    }
    mm_buf_clear(&salvage->payload);
    mm_buf_append(&salvage->payload, at, (size_t)local);
    return local == size || add_overflow(salvage, be32(at + local), size);
}

static uint64_t value_size(uint64_t type)
{
    static const uint8_t sizes[] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0};
    return type >= 12 ? (type - 12) / 2 : type < 10 ? sizes[type] : 0;
}

static bool take_value(uint64_t type, const uint8_t *at, uint64_t size,
                       struct mm_salvage_value *value_out)
{
    *value_out = (struct mm_salvage_value){.kind = MM_VALUE_NULL};
    if (type >= 12) {
        value_out->kind = type % 2 == 0 ? MM_VALUE_BLOB : MM_VALUE_TEXT;
        value_out->octets = mm_span((const char *)at, (size_t)size);
        return true;
    }
    if (type == 0) {
        return true;
    }
    value_out->kind = MM_VALUE_NUMBER;
    uint64_t number = type >= 8 ? type - 8 : (at[0] & 0x80u) != 0 ? ~0ULL : 0;
    for (uint64_t i = 0; i < size; i++) {
        number = number << 8 | at[i];
    }
    value_out->number = (int64_t)number;
    return type < 10 && type != 7; /* no table of ours has fractions */
}

/* False: this is no record. */
static bool take_record(struct mm_span payload,
                        struct mm_salvage_value values[MM_SALVAGE_COLUMNS_MAX],
                        size_t *count_out)
{
    const uint8_t *begin = (const uint8_t *)payload.data;
    const uint8_t *end = begin + payload.size;
    uint64_t head_size = 0;
    size_t used = read_varint(begin, end, &head_size);
    if (used == 0 || head_size > payload.size || head_size < used) {
        return false;
    }
    const uint8_t *at = begin + used;
    const uint8_t *head_end = begin + head_size;
    const uint8_t *data = head_end;
    size_t count = 0;
    while (at < head_end && count < MM_SALVAGE_COLUMNS_MAX) {
        uint64_t type = 0;
        used = read_varint(at, head_end, &type);
        uint64_t size = value_size(type);
        if (used == 0 || size > (uint64_t)(end - data) ||
            !take_value(type, data, size, &values[count++])) {
            return false;
        }
        at += used;
        data += size;
    }
    *count_out = count;
    return at == head_end && data == end && count > 0;
}

struct row_walk {
    struct mm_salvage *salvage;
    mm_on_salvaged visit;
    void *context;
    bool is_over;
};

static void visit_cell(struct row_walk *walk, const struct tree_page *page,
                       uint32_t which)
{
    struct mm_salvage *salvage = walk->salvage;
    struct mm_salvage_value values[MM_SALVAGE_COLUMNS_MAX];
    const uint8_t *cell = cell_of(page, which);
    uint64_t row_id = 0;
    size_t count = 0;
    if (cell != NULL && page->kind == NODE_INDEX) {
        cell += 4; /* the child */
    }
    if (cell == NULL ||
        !take_payload(salvage, cell, page->end, page->kind == LEAF_TABLE,
                      &row_id) ||
        !take_record(mm_buf_span(&salvage->payload), values, &count)) {
        salvage->bad_rows++;
        return;
    }
    walk->is_over = !walk->visit(walk->context, (int64_t)row_id, values, count);
}

/* `octets` is of a page's size, and the walk's own. */
static void visit_page(struct row_walk *walk, uint32_t number, uint8_t *octets)
{
    struct tree_page page;
    if (!read_page(walk->salvage, number, octets) ||
        !take_tree_page(walk->salvage, number, octets, &page)) {
        walk->salvage->bad_pages++;
        return;
    }
    for (uint32_t i = 0;
         page.kind != NODE_TABLE && i < page.cells && !walk->is_over; i++) {
        visit_cell(walk, &page, i);
    }
}

enum mailmod_error mm_salvage_rows(struct mm_salvage *salvage, uint32_t root,
                                   mm_on_salvaged visit, void *context)
{
    struct row_walk walk = {salvage, visit, context, false};
    uint8_t *octets = mm_alloc(salvage->page_size);
    if (octets == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    map_pages(salvage);
    for (unsigned reached = 0; reached < 2; reached++) {
        for (uint32_t i = 1; i <= salvage->page_count && !walk.is_over; i++) {
            if (salvage->pages[i].root == root &&
                salvage->pages[i].is_reached == (reached == 0)) {
                visit_page(&walk, i, octets);
            }
        }
    }
    mm_free(octets);
    return MAILMOD_OK;
}
