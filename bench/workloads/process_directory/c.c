/* One after the other, with the system's own calls. */
#include "../../lib/bench.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST = 1 << 20 };
static char text[LARGEST + 1], out[LARGEST + 1];

static size_t process(size_t length)
{
    size_t used = 0;
    for (char *line = text, *end = text + length, *next; line < end; line = next) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        char *last = newline ? newline : end;
        next = last + 1;
        while (line < last && isspace((unsigned char)*line))
            line++;
        while (last > line && isspace((unsigned char)last[-1]))
            last--;
        if (line == last)
            continue;
        if (used)
            out[used++] = '\n';
        memcpy(out + used, line, (size_t)(last - line));
        used += (size_t)(last - line);
    }
    return used;
}

static ssize_t read_one(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, LARGEST) : -1;
    if (fd >= 0)
        close(fd);
    return got;
}

static void write_one(int folder, const char *name, size_t length)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, out, length) != (ssize_t)length)
        perror(name);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    double began = bench_now();
    char target[4096];
    long sum = 0;
    if (argc < 3)
        return 2;
    snprintf(target, sizeof target, "%s.out", argv[2]);
    DIR *dir = opendir(argv[2]);
    int into = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!dir || into < 0)
        return 1;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        ssize_t got = read_one(dirfd(dir), entry->d_name);
        size_t length = got > 0 ? process((size_t)got) : 0;
        write_one(into, entry->d_name, length);
        sum += (long)length;
    }
    bench_print(began, sum);
    close(into);
    closedir(dir);
    return 0;
}
