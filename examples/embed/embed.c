/* embed.c: a program that lets a script fetch, read, write and query. */
#include <stdio.h>
#include <tusk.h>

static void log_line(void *ud, tusk_level level, const char *plugin, const char *line,
                     size_t length)
{
    (void)ud, (void)level, (void)plugin;
    fprintf(stderr, "%.*s\n", (int)length, line);
}

int main(int argc, char **argv)
{
    tusk_config config;
    tusk_host *host;
    tusk_config_init(&config);
    config.log = log_line;
    if (tusk_open(&config, &host))
        return 1;
    tusk_rc rc = tusk_load_dir(host, argc > 1 ? argv[1] : "examples/embed/scripts");
    if (!rc)
        rc = tusk_run(host); // until nothing is left; a game calls tusk_step in each frame
    if (rc)
        fprintf(stderr, "embed: %s\n", tusk_errmsg(host));
    tusk_close(host);
    return rc != TUSK_OK;
}
