/* cli.h: the command line: one table of commands and flags, and what a call of the program asked
 * for. */
#ifndef CLI_H
#define CLI_H 1

#include <stddef.h>

struct cli_flag {
    const char *name;  /* without dashes */
    const char *value; /* what it takes, as help shows it; NULL: nothing */
    const char *help;
};

struct cli_command {
    const char *name, *arguments, *help;
    const struct cli_flag *flags; /* ends with a NULL name */
    int passes_on; /* arguments after the first operand are the script's, flags or not */
};

extern const struct cli_command cli_commands[]; /* ends with a NULL name */

#define CLI_FLAGS_MAX 32

struct cli_call {
    const struct cli_command *command;
    struct {
        const char *name, *value;
    } flags[CLI_FLAGS_MAX];
    int flag_count;
    char **operands; /* into argv */
    int operand_count;
};

/* Reads argv. 0, or 2 (exit status) after a line on stderr that names the nearest thing. */
int cli_parse(int argc, char **argv, struct cli_call *call);
/* Prints the list of commands, or one command. 0, or 2 when there is no such command. */
int cli_help(const char *command);

struct tusk;

/* Lets `tusk ps` see the host, through a socket that only this user and root may ask; best effort.
 */
void cli_ps_open(struct tusk *h);
/* `tusk ps PID`: prints what that process says. The exit status. */
int cli_ps(const char *pid);

/* The log: lines are written to stderr by a thread of its own, so that a slow reader holds nobody
 * up. */
void cli_log_line(const char *line, size_t length);
/* Waits a moment for what was logged to be written; then the thread ends. */
void cli_log_close(void);

#endif
