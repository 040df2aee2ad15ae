/* replay_main.c - runs a fuzz target over every file of one folder.
 *
 * A folder that is missing or empty fails: a corpus that was lost must not
 * look like a corpus that passed. Each input is a heap block of its own exact
 * size, so that a sanitizer sees a read past its end. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static uint8_t *read_file(const char *path, size_t *size_out)
{
    uint8_t *data = NULL;
    FILE *file = fopen(path, "rb");
    *size_out = 0;
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        goto done;
    }
    long size = ftell(file);
    if (size < 0 || fseek(file, 0, SEEK_SET) != 0) {
        goto done;
    }
    data = malloc(size > 0 ? (size_t)size : 1);
    if (data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size) {
        free(data);
        data = NULL;
        goto done;
    }
    *size_out = (size_t)size;
done:
    if (file != NULL) {
        fclose(file);
    }
    return data;
}

static int replay(const char *path)
{
    size_t size;
    uint8_t *data = read_file(path, &size);
    if (data == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return 1;
    }
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    DIR *folder = opendir(argv[1]);
    if (folder == NULL) {
        fprintf(stderr, "%s: no such folder\n", argv[1]);
        return 1;
    }
    unsigned count = 0;
    int failures = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL;
         entry = readdir(folder)) {
        char path[4096];
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        failures += replay(path);
        count++;
    }
    closedir(folder);
    printf("%u inputs\n", count);
    if (count == 0) {
        fprintf(stderr, "%s: the corpus is empty\n", argv[1]);
    }
    return count == 0 || failures > 0 ? 1 : 0;
}
