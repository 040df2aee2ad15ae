/* remove_tree.h - a folder of a test goes with all that is in it. */
#ifndef MM_TEST_REMOVE_TREE_H
#define MM_TEST_REMOVE_TREE_H

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static inline void remove_tree(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char below[1024];
        int length =
            snprintf(below, sizeof below, "%s/%s", path, entry->d_name);

        if (length < (int)sizeof below && strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0 && unlink(below) != 0) {
            remove_tree(below);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    rmdir(path);
}

#endif
