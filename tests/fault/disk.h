/* thread: any
 * disk.h - a disk that remembers every change below a folder and makes, for a
 * power cut after any of them, the images that a disk may hold then.
 *
 * Who does the changes tells them here: fault_vfs.c those of SQLite,
 * disk_calls.c those of the library's own files. What a sync has settled is in
 * each image. The rest survives in any choice and order: writes by sectors,
 * each made, removed or renamed name for itself. The sync of a file settles its
 * octets, that of a folder the names in it, and neither the other; a rename is
 * one change, also from one folder into another, and the sync of either settles
 * it. One disk a process. */
#ifndef TESTS_FAULT_DISK_H
#define TESTS_FAULT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_NONE UINT32_MAX

/* Changes below `root` are remembered from now on; what lies there is settled.
 * The octets of files that another program changes meanwhile are not seen. */
void disk_begin(const char *root);
void disk_end(void);

/* ---- for those who do the changes; a node is a file or a folder ---- */

/* What the path names now; DISK_NONE: nothing, or nothing below the root. */
uint32_t disk_find(const char *path);
uint32_t disk_find_in(uint32_t folder, const char *name);
/* The folder and the last name of a path; DISK_NONE likewise. */
uint32_t disk_find_folder(const char *path, const char **name_out);
uint32_t disk_make(uint32_t folder, const char *name, bool is_folder);
void disk_link(uint32_t folder, const char *name, uint32_t node);
void disk_unlink(uint32_t folder, const char *name);
void disk_rename(uint32_t folder, const char *name, uint32_t to,
                 const char *new_name);
void disk_write(uint32_t node, uint64_t offset, const void *octets,
                size_t size);
void disk_set_length(uint32_t node, uint64_t size);
void disk_sync(uint32_t node);
/* What no sync of a file has settled will never be on the disk. Names are never
 * lost so: a file system that cannot write those takes no more changes. */
void disk_lose(uint32_t node);

/* ---- for the tests ---- */

/* How many changes and syncs there are now: each is a step. */
size_t disk_steps(void);
/* The number of steps before the last sync among the first `step`: cut there,
 * that sync has not been. */
size_t disk_sync_before(size_t step);
/* How often the file with this name was synced, or cut to a length. */
size_t disk_syncs_of(const char *path);
size_t disk_cuts_of(const char *path);

enum disk_survival {
    DISK_NOTHING, /* of what no sync has settled */
    DISK_ALL,
    DISK_SOME,      /* sectors and names, drawn by `seed` */
    DISK_ALL_BUT,   /* the change `which` */
    DISK_ONLY,      /* the change `which`: it overtook all before it */
    DISK_TORN_HEAD, /* all, but of the last write the first sectors alone */
    DISK_TORN_TAIL  /* the last sectors alone */
};

struct disk_cut {
    size_t step; /* never less than that of the last cut */
    enum disk_survival survival;
    uint64_t seed;
    size_t which;  /* below disk_unsettled(step) */
    size_t sector; /* octets; 0: 512 */
};

size_t disk_unsettled(size_t step);

struct disk_image;
struct disk_image *disk_image_new(const struct disk_cut *cut);
void disk_image_free(struct disk_image *image);
/* Equal for images that are equal: names, folders and octets. */
uint64_t disk_image_hash(const struct disk_image *image);
/* Into an empty folder. */
bool disk_image_save(const struct disk_image *image, const char *folder);
/* All three. */
bool disk_play(const char *folder, const struct disk_cut *cut);

#endif
