/* file_glob.h: names by pattern. Any thread. */
#ifndef TUSK_FILE_GLOB_H
#define TUSK_FILE_GLOB_H 1

/*
 * Whether path, names with "/" between, matches the pattern: `*` and `?` and `[a-z]` within a name,
 * a name `**` for any number of names, at the end at least one; `\` takes the next character for
 * itself. Well-formed: lua/tusk/file/glob.lua has checked it, and expanded its braces.
 */
int file_glob_match(const char *pattern, const char *path);

#endif
