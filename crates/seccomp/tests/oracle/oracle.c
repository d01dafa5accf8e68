/*
 * Compiles filters with libseccomp, for comparison.
 *
 * Reads profiles from standard input, one command per line:
 *
 *   new <default action> <bad architecture action>
 *   arch <token>
 *   rule <action> <name> <count> { <argument> <operator> <a> <b> }
 *   end
 *   number <token> <name>
 *
 * To `number` it answers with the number that it knows, negative if none. After each `end` writes a 32-bit count of instructions and the program to standard output, or
 * the negative error of the first call that failed. A rule with the default action is left out, as
 * runc does.
 */
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void answer(int32_t value)
{
	fwrite(&value, sizeof(value), 1, stdout);
}

static void export(scmp_filter_ctx context)
{
	static unsigned char program[1 << 20];
	FILE *file = tmpfile();
	int error = file ? seccomp_export_bpf(context, fileno(file)) : -errno;

	if (error < 0) {
		answer(error);
	} else {
		rewind(file);
		size_t size = fread(program, 1, sizeof(program), file);
		answer((int32_t)(size / 8));
		fwrite(program, 1, size, stdout);
	}
	if (file)
		fclose(file);
}

int main(void)
{
	char word[64], name[64];
	scmp_filter_ctx context = NULL;
	uint32_t normal = 0, action, other, token;
	int error = 0;

	while (scanf("%63s", word) == 1) {
		if (!strcmp(word, "new")) {
			scanf("%" SCNx32 " %" SCNx32, &normal, &other);
			context = seccomp_init(normal);
			error = context ? seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, other) : -ENOMEM;
		} else if (!strcmp(word, "arch")) {
			scanf("%" SCNx32, &token);
			int added = seccomp_arch_add(context, token);
			if (!error && added < 0 && added != -EEXIST)
				error = added;
		} else if (!strcmp(word, "rule")) {
			struct scmp_arg_cmp arguments[6];
			unsigned count;
			scanf("%" SCNx32 " %63s %u", &action, name, &count);
			for (unsigned i = 0; i < count; i++) {
				unsigned argument, operator;
				uint64_t a, b;
				scanf("%u %u %" SCNu64 " %" SCNu64, &argument, &operator, &a, &b);
				arguments[i] = (struct scmp_arg_cmp){ argument, operator, a, b };
			}
			int number = seccomp_syscall_resolve_name(name);
			if (number == __NR_SCMP_ERROR || action == normal)
				continue;
			int added = seccomp_rule_add_array(context, action, number, count, arguments);
			if (!error && added < 0)
				error = added;
		} else if (!strcmp(word, "number")) {
			scanf("%" SCNx32 " %63s", &token, name);
			answer(seccomp_syscall_resolve_name_arch(token, name));
			fflush(stdout);
		} else if (!strcmp(word, "end")) {
			if (error < 0)
				answer(error);
			else
				export(context);
			fflush(stdout);
			seccomp_release(context);
			context = NULL;
		}
	}
	return 0;
}
