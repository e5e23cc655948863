/* cli.c: the table of commands and flags, and reading argv by it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define CONFIG_FLAGS                                                                               \
    {"env", "NAME", "the environment: which part of tusk.lua's `environments` applies"},           \
    {                                                                                              \
        "set", "KEY=VALUE", "sets one value of the configuration: --set db.url=app.db"             \
    }

static const struct cli_flag run_flags[] = {
    CONFIG_FLAGS,
    {"timeout", "DURATION", "stops after so long, with exit status 124"},
    {"shutdown-timeout", "DURATION", "how long tasks have to end after INT or TERM (10s)"},
    {NULL, NULL, NULL},
};
static const struct cli_flag check_flags[] = {
    CONFIG_FLAGS,
    {"show-config", NULL, "prints every value and where it came from"},
    {NULL, NULL, NULL},
};
static const struct cli_flag db_flags[] = {
    CONFIG_FLAGS,
    {"readonly", NULL, "console: nothing can be changed"},
    {NULL, NULL, NULL},
};
static const struct cli_flag no_flags[] = {{NULL, NULL, NULL}};

const struct cli_command cli_commands[] = {
    {"run", "[DIR|FILE|-] [-- ARGS]", "loads plugins, runs main.lua; or runs one file, or stdin",
     run_flags, 0},
    {"-e", "CODE [ARGS]", "runs a piece of code", no_flags, 1},
    {"test", "[PATHS] [busted flags]",
     "runs specs with busted: they may wait and use @; each has --test-timeout=60s", no_flags, 1},
    {"check", "[PATHS]", "syntax, unknown operators, plugins, configuration, migrations",
     check_flags, 0},
    {"expand", "FILE", "prints the plain Lua that a file stands for, line for line", no_flags, 0},
    {"db", "COMMAND [DIR|FILE]",
     "status, migrate: the migrations of a directory; console: SQL, typed or from stdin", db_flags,
     0},
    {"ps", "PID", "the tree of tasks of a `tusk run`: who waits, where, since when", no_flags, 0},
    {"help", "[COMMAND]", "this list, or one command", no_flags, 0},
    {"version", "", "versions of tusk and of what it is built on", no_flags, 0},
    {NULL, NULL, NULL, NULL, 0},
};

/* ---- the nearest name ---- */

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Levenshtein distance; words longer than 31 count as far. */
static int distance(const char *a, const char *b)
{
    int row[32], n = (int)strlen(b);
    if (strlen(a) > 31 || n > 31)
        return 99;
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int above = row[j];
            row[j] = least(least(above, row[j - 1]) + 1, corner + (a[i - 1] != b[j - 1]));
            corner = above;
        }
    }
    return row[n];
}

static void consider(const char **best, int *best_distance, const char *word, const char *name)
{
    int d = distance(word, name);
    if (d < *best_distance && d <= 1 + (int)strlen(word) / 3) {
        *best = name;
        *best_distance = d;
    }
}

static int usage(const char *what, const char *word, const char *dashes, const char *near)
{
    fprintf(stderr, "tusk: %s %s%s", what, dashes, word);
    if (near)
        fprintf(stderr, "; did you mean %s%s?\n", dashes, near);
    else
        fprintf(stderr, "; see tusk help\n");
    return 2;
}

/* ---- reading argv ---- */

static const struct cli_command *find_command(const char *name)
{
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (!strcmp(c->name, name))
            return c;
    return NULL;
}

static int unknown_command(const char *word)
{
    const char *near = NULL;
    int best = 99;
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (c->name[0] != '-')
            consider(&near, &best, word, c->name);
    return usage("no such command or file:", word, "", near);
}

static int unknown_flag(const struct cli_command *command, char *word)
{
    const char *near = NULL;
    int best = 99;
    word[strcspn(word, "=")] = 0;
    for (const struct cli_flag *f = command->flags; f->name; f++)
        consider(&near, &best, word, f->name);
    return usage("unknown flag", word, "--", near);
}

static int take_value(struct cli_call *call, const struct cli_flag *flag, const char *equals,
                      char ***argv)
{
    const char *value = equals ? equals + 1 : flag->value ? *++*argv : NULL;
    if (flag->value && !value) {
        fprintf(stderr, "tusk: --%s needs a value: --%s %s\n", flag->name, flag->name, flag->value);
        return 2;
    }
    if (!flag->value && equals) {
        fprintf(stderr, "tusk: --%s takes no value\n", flag->name);
        return 2;
    }
    if (call->flag_count == CLI_FLAGS_MAX) {
        fprintf(stderr, "tusk: too many flags\n");
        return 2;
    }
    call->flags[call->flag_count].name = flag->name;
    call->flags[call->flag_count++].value = value;
    return 0;
}

static int take_flag(struct cli_call *call, char ***argv)
{
    char *word = **argv + 2;
    const char *equals = strchr(word, '=');
    size_t n = equals ? (size_t)(equals - word) : strlen(word);
    for (const struct cli_flag *f = call->command->flags; f->name; f++)
        if (strlen(f->name) == n && !strncmp(f->name, word, n))
            return take_value(call, f, equals, argv);
    return unknown_flag(call->command, word);
}

/* Flags up to the first operand (or all, for commands that pass nothing on), then operands. */
static int take_rest(struct cli_call *call, char **argv)
{
    char **out = argv;
    call->operands = argv;
    for (; *argv; argv++) {
        int done = call->command->passes_on && call->operand_count;
        if (!done && !strcmp(*argv, "--")) {
            while (*++argv)
                out[call->operand_count++] = *argv;
            return 0;
        }
        int takes = call->command->flags[0].name || !call->command->passes_on;
        if (!done && takes && !strncmp(*argv, "--", 2)) {
            int rc = take_flag(call, &argv);
            if (rc)
                return rc;
            continue;
        }
        out[call->operand_count++] = *argv;
    }
    return 0;
}

static int flag_without_command(char *word)
{
    const struct cli_command *run = find_command("run");
    char *name = word + strspn(word, "-");
    size_t n = strcspn(name, "=");
    for (const struct cli_flag *f = run->flags; f->name; f++) {
        if (strlen(f->name) == n && !strncmp(f->name, name, n)) {
            fprintf(stderr, "tusk: %s is a flag of a command: tusk run %s ...\n", word, word);
            return 2;
        }
    }
    return unknown_flag(run, name);
}

static int looks_like_path(const char *word)
{
    return strchr(word, '/') || strchr(word, '.') || !strcmp(word, "-");
}

static int asks_for_help(const char *word)
{
    return !strcmp(word, "--help") || !strcmp(word, "-h");
}

int cli_parse(int argc, char **argv, struct cli_call *call)
{
    *call = (struct cli_call){0};
    if (argc < 2 || asks_for_help(argv[1])) {
        call->command = find_command("help");
        call->operands = argv + argc;
        return 0;
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-v"))
        argv[1] = "version";
    call->command = find_command(argv[1]);
    if (call->command && argv[1][0] != '-' && argc > 2 && asks_for_help(argv[2])) {
        call->command = find_command("help"); // of the command before it
        call->operands = argv + 1;
        call->operand_count = 1;
        return 0;
    }
    if (call->command)
        return take_rest(call, argv + 2);
    if (argv[1][0] == '-' && argv[1][1])
        return flag_without_command(argv[1]);
    FILE *file = looks_like_path(argv[1]) ? NULL : fopen(argv[1], "r");
    if (!file && !looks_like_path(argv[1]))
        return unknown_command(argv[1]);
    if (file)
        fclose(file);
    call->command = find_command("run"); // script mode: all that follows is the script's
    call->operands = argv + 1;
    call->operand_count = argc - 1;
    return 0;
}

/* ---- help ---- */

static void print_command(const struct cli_command *c)
{
    printf("tusk %s%s%s\n    %s\n", c->name, *c->arguments ? " " : "", c->arguments, c->help);
    for (const struct cli_flag *f = c->flags; f->name; f++)
        printf("    --%s%s%s\n        %s\n", f->name, f->value ? " " : "", f->value ? f->value : "",
               f->help);
}

int cli_help(const char *command)
{
    if (command) {
        const struct cli_command *c = find_command(command);
        if (!c)
            return unknown_command(command);
        print_command(c);
        return 0;
    }
    printf("usage: tusk COMMAND [ARGS]     tusk FILE [ARGS]     tusk -e CODE     tusk -\n\n");
    for (const struct cli_command *c = cli_commands; c->name; c++)
        printf("  %-8s %-24s %s\n", c->name, c->arguments, c->help);
    printf("\ntusk help COMMAND lists its flags.\n");
    return 0;
}
