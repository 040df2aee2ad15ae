/* disk.c - see disk.h.
 *
 * Owns the list of changes, and for each node what is settled at the step of
 * the last cut: cuts go forward, so a change is settled once. An image borrows
 * the settled octets of each file that no unsettled change touches.
 * Thread: any; one mutex guards the changes, cuts are the test's alone. */
#include "disk.h"

#include "base/checksum.h"
#include "platform/thread.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NAME_SIZE = 112, PATH_SIZE = 512, SECTOR = 512 };

enum kind { WRITE, LENGTH, LINK, UNLINK, RENAME, SYNC, LOST };

struct change {
    enum kind kind;
    uint32_t node;   /* the file, or the folder of the names */
    uint64_t offset; /* or the new length */
    unsigned char *octets;
    size_t size;
    uint32_t target; /* LINK: what is named; RENAME: the other folder */
    uint32_t moved;  /* RENAME */
    char name[NAME_SIZE];
    char new_name[NAME_SIZE]; /* RENAME */
};

struct content {
    unsigned char *octets;
    size_t size;
    size_t capacity;
    uint64_t hash;
    bool is_hashed;
};

struct entry {
    char name[NAME_SIZE];
    uint32_t node;
};

struct names {
    struct entry *entries;
    size_t count;
};

struct node {
    bool is_folder;
    struct names now;
    struct names settled;
    struct content content; /* settled */
};

static struct {
    struct mm_mutex *mutex;
    bool records;
    char root[PATH_SIZE];
    struct node *nodes;
    uint32_t node_count;
    struct change *changes;
    size_t count;
    size_t capacity;
    /* Of the last cut. */
    size_t step;
    size_t *pending; /* changes that no sync has settled by then */
    size_t pending_count;
} disk;

/* ---- names and octets ---- */

static struct entry *entry_of(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->entries[i].name, name) == 0) {
            return &names->entries[i];
        }
    }
    return NULL;
}

static void put_name(struct names *names, const char *name, uint32_t node)
{
    struct entry *entry = entry_of(names, name);

    if (entry == NULL) {
        names->entries = realloc(names->entries,
                                 (names->count + 1) * sizeof *names->entries);
        entry = &names->entries[names->count++];
        memset(entry, 0, sizeof *entry);
        snprintf(entry->name, sizeof entry->name, "%s", name);
    }
    entry->node = node;
}

static void take_name(struct names *names, const char *name)
{
    struct entry *entry = entry_of(names, name);

    if (entry != NULL) {
        *entry = names->entries[--names->count];
    }
}

static void resize(struct content *content, size_t size)
{
    if (size > content->capacity) {
        content->capacity = size * 2;
        content->octets = realloc(content->octets, content->capacity);
    }
    if (size > content->size) {
        memset(content->octets + content->size, 0, size - content->size);
    }
    content->size = size;
    content->is_hashed = false;
}

static void put_octets(struct content *content, uint64_t offset,
                       const unsigned char *octets, size_t size)
{
    if (offset + size > content->size) {
        resize(content, (size_t)offset + size);
    }
    memcpy(content->octets + offset, octets, size);
    content->is_hashed = false;
}

static uint64_t hash_of(struct content *content)
{
    if (!content->is_hashed) {
        content->hash =
            mm_checksum(mm_span((const char *)content->octets, content->size));
        content->is_hashed = true;
    }
    return content->hash;
}

/* ---- the changes ---- */

static uint32_t new_node(bool is_folder)
{
    disk.nodes =
        realloc(disk.nodes, (disk.node_count + 1) * sizeof *disk.nodes);
    disk.nodes[disk.node_count] = (struct node){.is_folder = is_folder};
    return disk.node_count++;
}

static void load_file(const char *path, struct content *content)
{
    FILE *file = fopen(path, "rb");
    struct stat status;

    if (file != NULL && stat(path, &status) == 0) {
        resize(content, (size_t)status.st_size);
        content->size = fread(content->octets, 1, content->size, file);
    }
    if (file != NULL) {
        fclose(file);
    }
}

static void load_folder(const char *path, uint32_t folder)
{
    DIR *stream = opendir(path);
    struct dirent *entry;

    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        char below[PATH_SIZE + NAME_SIZE];
        struct stat status;

        (void)snprintf(below, sizeof below, "%s/%.100s", path, entry->d_name);
        if (entry->d_name[0] == '.' || stat(below, &status) != 0) {
            continue;
        }
        uint32_t node = new_node(S_ISDIR(status.st_mode));
        put_name(&disk.nodes[folder].now, entry->d_name, node);
        put_name(&disk.nodes[folder].settled, entry->d_name, node);
        if (S_ISDIR(status.st_mode)) {
            load_folder(below, node);
        } else {
            load_file(below, &disk.nodes[node].content);
        }
    }
    if (stream != NULL) {
        closedir(stream);
    }
}

void disk_begin(const char *root)
{
    disk_end();
    if (mm_mutex_new(&disk.mutex) != MAILMOD_OK) {
        return;
    }
    snprintf(disk.root, sizeof disk.root, "%s", root);
    load_folder(root, new_node(true));
    disk.records = true;
}

void disk_end(void)
{
    for (uint32_t i = 0; i < disk.node_count; i++) {
        free(disk.nodes[i].now.entries);
        free(disk.nodes[i].settled.entries);
        free(disk.nodes[i].content.octets);
    }
    for (size_t i = 0; i < disk.count; i++) {
        free(disk.changes[i].octets);
    }
    free(disk.nodes);
    free(disk.changes);
    free(disk.pending);
    mm_mutex_free(&disk.mutex);
    memset(&disk, 0, sizeof disk);
}

/* Under the lock. */
static uint32_t find_in(uint32_t folder, const char *name)
{
    struct entry *entry = folder < disk.node_count
                              ? entry_of(&disk.nodes[folder].now, name)
                              : NULL;

    return entry != NULL ? entry->node : DISK_NONE;
}

static uint32_t find(const char *path)
{
    size_t size = strlen(disk.root);
    uint32_t node = 0;

    if (!disk.records || strncmp(path, disk.root, size) != 0 ||
        (path[size] != '/' && path[size] != '\0')) {
        return DISK_NONE;
    }
    path += size;
    while (*path != '\0' && node != DISK_NONE) {
        char name[NAME_SIZE];

        path += strspn(path, "/");
        size_t length = strcspn(path, "/");
        if (length == 0) {
            break;
        }
        snprintf(name, sizeof name, "%.*s", (int)length, path);
        node = find_in(node, name);
        path += length;
    }
    return node;
}

uint32_t disk_find(const char *path)
{
    if (!disk.records) {
        return DISK_NONE;
    }
    mm_mutex_lock(disk.mutex);
    uint32_t node = find(path);
    mm_mutex_unlock(disk.mutex);
    return node;
}

uint32_t disk_find_in(uint32_t folder, const char *name)
{
    if (!disk.records) {
        return DISK_NONE;
    }
    mm_mutex_lock(disk.mutex);
    uint32_t node = strcmp(name, ".") == 0 ? folder : find_in(folder, name);
    mm_mutex_unlock(disk.mutex);
    return node;
}

uint32_t disk_find_folder(const char *path, const char **name_out)
{
    char folder[PATH_SIZE];
    const char *slash = strrchr(path, '/');

    if (slash == NULL) {
        return DISK_NONE;
    }
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    *name_out = slash + 1;
    return disk_find(folder);
}

/* Under the lock. */
static struct change *add(enum kind kind, uint32_t node)
{
    if (disk.count == disk.capacity) {
        disk.capacity = disk.capacity * 2 + 256;
        disk.changes =
            realloc(disk.changes, disk.capacity * sizeof *disk.changes);
    }
    struct change *change = &disk.changes[disk.count++];
    memset(change, 0, sizeof *change);
    change->kind = kind;
    change->node = node;
    return change;
}

static bool begin_change(uint32_t node)
{
    if (!disk.records || node == DISK_NONE) {
        return false;
    }
    mm_mutex_lock(disk.mutex);
    return true;
}

void disk_link(uint32_t folder, const char *name, uint32_t node)
{
    if (begin_change(folder)) {
        struct change *change = add(LINK, folder);

        snprintf(change->name, sizeof change->name, "%s", name);
        change->target = node;
        put_name(&disk.nodes[folder].now, name, node);
        mm_mutex_unlock(disk.mutex);
    }
}

uint32_t disk_make(uint32_t folder, const char *name, bool is_folder)
{
    if (!begin_change(folder)) {
        return DISK_NONE;
    }
    uint32_t node = new_node(is_folder);
    mm_mutex_unlock(disk.mutex);
    disk_link(folder, name, node);
    return node;
}

void disk_unlink(uint32_t folder, const char *name)
{
    if (begin_change(folder)) {
        snprintf(add(UNLINK, folder)->name, NAME_SIZE, "%s", name);
        take_name(&disk.nodes[folder].now, name);
        mm_mutex_unlock(disk.mutex);
    }
}

void disk_rename(uint32_t folder, const char *name, uint32_t to,
                 const char *new_name)
{
    if (begin_change(folder)) {
        struct change *change = add(RENAME, folder);

        snprintf(change->name, sizeof change->name, "%s", name);
        snprintf(change->new_name, sizeof change->new_name, "%s", new_name);
        change->target = to;
        change->moved = find_in(folder, name);
        take_name(&disk.nodes[folder].now, name);
        put_name(&disk.nodes[to].now, new_name, change->moved);
        mm_mutex_unlock(disk.mutex);
    }
}

void disk_write(uint32_t node, uint64_t offset, const void *octets, size_t size)
{
    if (size > 0 && begin_change(node)) {
        struct change *change = add(WRITE, node);

        change->offset = offset;
        change->size = size;
        change->octets = malloc(size);
        memcpy(change->octets, octets, size);
        mm_mutex_unlock(disk.mutex);
    }
}

void disk_set_length(uint32_t node, uint64_t size)
{
    if (begin_change(node)) {
        add(LENGTH, node)->offset = size;
        mm_mutex_unlock(disk.mutex);
    }
}

void disk_sync(uint32_t node)
{
    if (begin_change(node)) {
        (void)add(SYNC, node);
        mm_mutex_unlock(disk.mutex);
    }
}

void disk_lose(uint32_t node)
{
    if (!begin_change(node)) {
        return;
    }
    size_t count = disk.nodes[node].is_folder ? 0 : disk.count;
    for (size_t i = count; i > 0; i--) {
        struct change *change = &disk.changes[i - 1];

        if (change->node == node && change->kind == SYNC) {
            break;
        }
        if (change->node == node) {
            change->kind = LOST;
        }
    }
    mm_mutex_unlock(disk.mutex);
}

static size_t count_of(const char *path, enum kind kind)
{
    size_t count = 0;

    mm_mutex_lock(disk.mutex);
    uint32_t node = find(path);
    for (size_t i = 0; i < disk.count; i++) {
        count += disk.changes[i].kind == kind && disk.changes[i].node == node;
    }
    mm_mutex_unlock(disk.mutex);
    return count;
}

size_t disk_syncs_of(const char *path)
{
    return count_of(path, SYNC);
}

size_t disk_cuts_of(const char *path)
{
    return count_of(path, LENGTH);
}

size_t disk_steps(void)
{
    size_t count = 0;

    if (disk.mutex != NULL) {
        mm_mutex_lock(disk.mutex);
        count = disk.count;
        mm_mutex_unlock(disk.mutex);
    }
    return count;
}

size_t disk_sync_before(size_t step)
{
    size_t i = step;

    mm_mutex_lock(disk.mutex);
    while (i > 0 && disk.changes[i - 1].kind != SYNC) {
        i--;
    }
    mm_mutex_unlock(disk.mutex);
    return i > 0 ? i - 1 : 0;
}

/* ---- cuts ---- */

static void change_names(struct names *names, const struct change *change,
                         struct names *target)
{
    if (change->kind == LINK) {
        put_name(names, change->name, change->target);
    } else if (change->kind == UNLINK) {
        take_name(names, change->name);
    } else if (change->kind == RENAME) {
        take_name(names, change->name);
        put_name(target, change->new_name, change->moved);
    }
}

static void change_content(struct content *content, const struct change *change)
{
    if (change->kind == WRITE) {
        put_octets(content, change->offset, change->octets, change->size);
    } else if (change->kind == LENGTH) {
        resize(content, (size_t)change->offset);
    }
}

/* A name that was moved on was made before that. */
static size_t drop_older(size_t count, const struct change *rename)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        const struct change *change = &disk.changes[disk.pending[i]];

        if (change->node != rename->node ||
            strcmp(change->name, rename->name) != 0) {
            disk.pending[kept++] = disk.pending[i];
        }
    }
    return kept;
}

static void settle(uint32_t node)
{
    size_t kept = 0;

    for (size_t i = 0; i < disk.pending_count; i++) {
        const struct change *change = &disk.changes[disk.pending[i]];

        bool is_renamed_in = change->kind == RENAME && change->target == node;
        if (change->node != node && !is_renamed_in) {
            disk.pending[kept++] = disk.pending[i];
        } else if (disk.nodes[node].is_folder) {
            change_names(&disk.nodes[change->node].settled, change,
                         &disk.nodes[change->target].settled);
            if (is_renamed_in) {
                kept = drop_older(kept, change);
            }
        } else {
            change_content(&disk.nodes[node].content, change);
        }
    }
    disk.pending_count = kept;
}

static void advance(size_t step)
{
    if (disk.pending == NULL) {
        disk.pending = malloc((disk.count + 1) * sizeof *disk.pending);
    }
    for (; disk.step < step; disk.step++) {
        const struct change *change = &disk.changes[disk.step];

        if (change->kind == SYNC) {
            settle(change->node);
        } else if (change->kind != LOST) {
            disk.pending[disk.pending_count++] = disk.step;
        }
    }
}

size_t disk_unsettled(size_t step)
{
    advance(step);
    return disk.pending_count;
}

struct disk_image {
    uint32_t count;
    struct content *contents; /* own, where touched */
    struct names *names;
    bool *is_own;
    uint64_t seed;
};

static bool draw(struct disk_image *image)
{
    image->seed ^= image->seed << 13;
    image->seed ^= image->seed >> 7;
    image->seed ^= image->seed << 17;
    return (image->seed >> 20 & 1) != 0;
}

static void own(struct disk_image *image, uint32_t node)
{
    const struct content *settled = &disk.nodes[node].content;

    if (!image->is_own[node]) {
        image->is_own[node] = true;
        resize(&image->contents[node], settled->size);
        if (settled->size > 0) {
            memcpy(image->contents[node].octets, settled->octets,
                   settled->size);
        }
    }
}

/* The sectors of one write, each for itself: `part` is what is kept of them. */
enum part { PART_ALL, PART_SOME, PART_HEAD, PART_TAIL };

static void put_sectors(struct disk_image *image, const struct change *change,
                        enum part part, size_t sector)
{
    struct content *content = &image->contents[change->node];

    for (size_t at = 0; at < change->size;) {
        uint64_t place = change->offset + at;
        size_t size = sector - (size_t)(place % sector);

        if (size > change->size - at) {
            size = change->size - at;
        }
        bool is_head = at < change->size / 2;
        if (part == PART_ALL || (part == PART_SOME && draw(image)) ||
            (part == PART_HEAD && is_head) || (part == PART_TAIL && !is_head)) {
            put_octets(content, place, change->octets + at, size);
        }
        at += size;
    }
}

static void survive(struct disk_image *image, const struct change *change,
                    enum part part, size_t sector)
{
    if (disk.nodes[change->node].is_folder) {
        if (part != PART_SOME || draw(image)) {
            change_names(&image->names[change->node], change,
                         &image->names[change->target]);
        }
        return;
    }
    own(image, change->node);
    if (change->kind == WRITE) {
        put_sectors(image, change, part, sector);
    } else if (part != PART_SOME || draw(image)) {
        change_content(&image->contents[change->node], change);
    }
}

static void apply(struct disk_image *image, const struct disk_cut *cut)
{
    size_t sector = cut->sector != 0 ? cut->sector : SECTOR;
    size_t last_write = SIZE_MAX;

    for (size_t i = 0; i < disk.pending_count; i++) {
        if (disk.changes[disk.pending[i]].kind == WRITE) {
            last_write = i;
        }
    }
    for (size_t i = 0; i < disk.pending_count; i++) {
        bool is_in = cut->survival != DISK_NOTHING &&
                     (cut->survival != DISK_ALL_BUT || i != cut->which) &&
                     (cut->survival != DISK_ONLY || i == cut->which);
        enum part part = cut->survival == DISK_SOME ? PART_SOME : PART_ALL;

        if (i == last_write && cut->survival == DISK_TORN_HEAD) {
            part = PART_HEAD;
        } else if (i == last_write && cut->survival == DISK_TORN_TAIL) {
            part = PART_TAIL;
        }
        if (is_in) {
            survive(image, &disk.changes[disk.pending[i]], part, sector);
        }
    }
}

struct disk_image *disk_image_new(const struct disk_cut *cut)
{
    struct disk_image *image = calloc(1, sizeof *image);

    advance(cut->step);
    image->count = disk.node_count;
    image->contents = calloc(image->count, sizeof *image->contents);
    image->names = calloc(image->count, sizeof *image->names);
    image->is_own = calloc(image->count, sizeof *image->is_own);
    image->seed = cut->seed * 2 + 88172645463325253u;
    for (uint32_t i = 0; i < image->count; i++) {
        const struct names *settled = &disk.nodes[i].settled;

        for (size_t k = 0; k < settled->count; k++) {
            put_name(&image->names[i], settled->entries[k].name,
                     settled->entries[k].node);
        }
    }
    apply(image, cut);
    return image;
}

void disk_image_free(struct disk_image *image)
{
    for (uint32_t i = 0; image != NULL && i < image->count; i++) {
        free(image->contents[i].octets);
        free(image->names[i].entries);
    }
    if (image != NULL) {
        free(image->contents);
        free(image->names);
        free(image->is_own);
        free(image);
    }
}

static struct content *content_of(const struct disk_image *image, uint32_t node)
{
    return image->is_own[node] ? &image->contents[node]
                               : &disk.nodes[node].content;
}

/* A sum, so that the order of names does not matter. */
static uint64_t hash_folder(const struct disk_image *image, uint32_t folder,
                            uint64_t above)
{
    uint64_t sum = above;

    for (size_t i = 0; i < image->names[folder].count; i++) {
        const struct entry *entry = &image->names[folder].entries[i];
        uint64_t parts[3] = {above, mm_checksum(mm_span_cstr(entry->name)), 0};

        if (!disk.nodes[entry->node].is_folder) {
            parts[2] = hash_of(content_of(image, entry->node)) | 1;
        }
        uint64_t mixed =
            mm_checksum(mm_span((const char *)parts, sizeof parts));
        sum += mixed;
        if (disk.nodes[entry->node].is_folder) {
            sum += hash_folder(image, entry->node, mixed);
        }
    }
    return sum;
}

uint64_t disk_image_hash(const struct disk_image *image)
{
    return hash_folder(image, 0, 1);
}

static bool save_file(const char *path, const struct content *content)
{
    FILE *file = fopen(path, "wb");

    if (file == NULL) {
        return false;
    }
    setvbuf(file, NULL, _IONBF, 0);
    bool is_good =
        content->size == 0 ||
        fwrite(content->octets, 1, content->size, file) == content->size;
    return fclose(file) == 0 && is_good;
}

static bool save_folder(const struct disk_image *image, uint32_t folder,
                        const char *path)
{
    bool is_good = true;

    for (size_t i = 0; is_good && i < image->names[folder].count; i++) {
        const struct entry *entry = &image->names[folder].entries[i];
        char below[PATH_SIZE];

        is_good = snprintf(below, sizeof below, "%s/%s", path, entry->name) <
                  (int)sizeof below;
        if (is_good && disk.nodes[entry->node].is_folder) {
            is_good = mkdir(below, 0700) == 0 &&
                      save_folder(image, entry->node, below);
        } else if (is_good) {
            is_good = save_file(below, content_of(image, entry->node));
        }
    }
    return is_good;
}

bool disk_image_save(const struct disk_image *image, const char *folder)
{
    return save_folder(image, 0, folder);
}

bool disk_play(const char *folder, const struct disk_cut *cut)
{
    struct disk_image *image = disk_image_new(cut);
    bool is_good = disk_image_save(image, folder);

    disk_image_free(image);
    return is_good;
}
