/*
 * Runs commands one after the other and prints, for each, a line of: nanoseconds from before the
 * fork to after the wait, the microseconds of CPU time and the peak resident set in KiB of the command
 * and what it waited for, and its exit code.
 *
 *   runner COMMAND... [-- COMMAND...]...
 *
 * What the commands print goes to standard error.
 *
 * A program of its own, because the peak of a process begins with that of whoever forked it: this
 * one is small.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int results;

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void run(char **argv, char **env)
{
    long long begin = now();
    pid_t child = vfork();
    if (child == 0) {
        execve(argv[0], argv, env);
        _exit(127);
    }
    int status = 0;
    struct rusage usage;
    memset(&usage, 0, sizeof usage);
    if (child < 0 || wait4(child, &status, 0, &usage) != child)
        exit(2);
    long long end = now();
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    long cpu = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
               usage.ru_stime.tv_usec;
    dprintf(results, "%lld %ld %ld %d\n", end - begin, cpu, usage.ru_maxrss, code);
}

int main(int argc, char **argv, char **env)
{
    results = fcntl(1, F_DUPFD_CLOEXEC, 3);
    if (results < 0 || dup2(2, 1) != 1)
        return 2;
    int first = 1;
    for (int at = 1; at <= argc; at++) {
        if (at < argc && strcmp(argv[at], "--") != 0)
            continue;
        argv[at] = NULL;
        if (at > first)
            run(argv + first, env);
        first = at + 1;
    }
    return 0;
}
