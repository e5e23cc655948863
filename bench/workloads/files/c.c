/* One after the other, with the system's own calls. */
#include "../../lib/bench.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static long read_one(int folder, const char *name)
{
    struct stat stat;
    long sum = -1;
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &stat) == 0) {
        unsigned char *bytes = malloc((size_t)stat.st_size + 1);
        ssize_t got = bytes ? read(fd, bytes, (size_t)stat.st_size) : -1;
        if (got > 0)
            sum = got + bytes[0];
        free(bytes);
    }
    if (fd >= 0)
        close(fd);
    return sum;
}

int main(int argc, char **argv)
{
    double began = bench_now();
    DIR *dir = argc > 2 ? opendir(argv[2]) : NULL;
    long sum = 0;
    if (!dir)
        return 1;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] != '.')
            sum += read_one(dirfd(dir), entry->d_name);
    }
    closedir(dir);
    bench_print(began, sum);
    return 0;
}
