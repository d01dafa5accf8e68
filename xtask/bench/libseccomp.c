/*
 * Compiles one filter with libseccomp and takes the time.
 *
 * Arguments: `plain` or `tree` (a binary tree over the numbers, as runc asks for), and the file that the
 * program is written to. Standard input holds the profile, one command per line:
 *
 *   new <default action>
 *   arch <token>
 *   rule <action> <name> <count> { <argument> <operator> <a> <b> }
 *
 * They are read before the clock starts; names are looked up after it has, as every runtime does.
 * Prints the nanoseconds. The first compilation of the process is not counted.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST 4096

static struct rule {
	uint32_t action;
	char name[48];
	unsigned count;
	struct scmp_arg_cmp arguments[6];
} rules[MOST];
static uint32_t architectures[8], normal;
static unsigned rule_count, architecture_count;

static void fail(const char *what)
{
	fprintf(stderr, "libseccomp.c: %s\n", what);
	exit(1);
}

static void read_profile(void)
{
	char word[64];

	while (scanf("%63s", word) == 1) {
		if (!strcmp(word, "new")) {
			if (scanf("%" SCNx32, &normal) != 1)
				fail("new");
		} else if (!strcmp(word, "arch") && architecture_count < 8) {
			if (scanf("%" SCNx32, &architectures[architecture_count++]) != 1)
				fail("arch");
		} else if (!strcmp(word, "rule") && rule_count < MOST) {
			struct rule *rule = &rules[rule_count++];
			if (scanf("%" SCNx32 " %47s %u", &rule->action, rule->name, &rule->count) != 3 || rule->count > 6)
				fail("rule");
			for (unsigned i = 0; i < rule->count; i++) {
				unsigned argument, operator;
				uint64_t a, b;
				if (scanf("%u %u %" SCNu64 " %" SCNu64, &argument, &operator, &a, &b) != 4)
					fail("condition");
				rule->arguments[i] = (struct scmp_arg_cmp){ argument, operator, a, b };
			}
		} else {
			fail(word);
		}
	}
}

static void compile(int tree, int output)
{
	scmp_filter_ctx context = seccomp_init(normal);

	if (!context || seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0)
		fail("seccomp_init");
	if (tree && seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0)
		fail("no binary tree before libseccomp 2.5");
	for (unsigned i = 0; i < architecture_count; i++)
		seccomp_arch_add(context, architectures[i]);
	for (unsigned i = 0; i < rule_count; i++) {
		struct rule *rule = &rules[i];
		int number = seccomp_syscall_resolve_name(rule->name);
		if (number == __NR_SCMP_ERROR || rule->action == normal)
			continue;
		if (seccomp_rule_add_array(context, rule->action, number, rule->count, rule->arguments) < 0)
			fail(rule->name);
	}
	if (ftruncate(output, 0) < 0 || lseek(output, 0, SEEK_SET) < 0 || seccomp_export_bpf(context, output) < 0)
		fail("seccomp_export_bpf");
	seccomp_release(context);
}

int main(int count, char **arguments)
{
	struct timespec start, end;
	int tree = count == 3 && !strcmp(arguments[1], "tree");
	int output = count == 3 ? open(arguments[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

	if (output < 0)
		fail("usage: libseccomp plain|tree FILE < PROFILE");
	read_profile();
	compile(tree, output);
	clock_gettime(CLOCK_MONOTONIC, &start);
	compile(tree, output);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%ld\n", (end.tv_sec - start.tv_sec) * 1000000000L + end.tv_nsec - start.tv_nsec);
	return 0;
}
