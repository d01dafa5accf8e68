/*
 * What the kernel alone takes to start the container of the benchmarks, as a yardstick.
 *
 *   floor run          one container: vfork-like clone, no id maps, no rendezvous, no journal
 *   floor run+         one container: plain clone, one rendezvous, a journal, held at its exec
 *   floor create|start|delete   the same as run+, in three processes
 *
 * Where everything is comes from the environment, as this program parses nothing:
 *
 *   ROOTFS     the root file system            STATE     a directory for the journal
 *   UNIFIED                    the cgroup to make in the unified hierarchy, if there is one
 *   PIDS, MEMORY, DEVICES      the same in hierarchies of version 1; without them the controllers
 *                              are those of UNIFIED
 *
 * The container is the one of config.json: all namespaces but user, the seven default mounts, six
 * device nodes, 12 masked and 5 read-only paths, a read-only root, 14 capabilities, no_new_privs and
 * the filter of filter.h. Every call that can fail is checked: a floor that does less is none.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filter.h" /* static struct sock_filter FILTER[] */

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif

#define CHECK(call) \
    do { \
        if ((long)(call) < 0) \
            die(#call, __LINE__); \
    } while (0)

static void die(const char *call, int line)
{
    dprintf(2, "floor:%d: %s: %s\n", line, call, strerror(errno));
    _exit(125);
}

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static void put(const char *directory, const char *file, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(fd);
    CHECK(write(fd, text, strlen(text)));
    close(fd);
}

/* ---- cgroups ---- */

static const char *const KINDS[] = {"UNIFIED", "PIDS", "MEMORY", "DEVICES"};
static const char *const ALLOWED[] = {
    "c *:* m",    "b *:* m",    "c 1:3 rwm", "c 1:5 rwm",   "c 1:7 rwm", "c 1:8 rwm",
    "c 1:9 rwm",  "c 5:0 rwm",  "c 5:2 rwm", "c 136:* rwm",
};

/* Denies what is not one of a few devices: the comparisons of ALLOWED. */
static void device_program(int cgroup)
{
#define I(code, dst, src, off, imm) {(code), (dst), (src), (off), (imm)}
#define LOAD(reg, offset) I(BPF_LDX | BPF_MEM | BPF_W, reg, 1, offset, 0)
#define UNLESS(reg, value, skip) I(BPF_JMP | BPF_JNE | BPF_K, reg, 0, skip, value)
#define WHEN(reg, value, skip) I(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, skip, value)
    struct bpf_insn program[] = {
        LOAD(2, 0), LOAD(3, 4), LOAD(4, 8),
        I(BPF_ALU64 | BPF_MOV | BPF_X, 5, 2, 0, 0),
        I(BPF_ALU64 | BPF_RSH | BPF_K, 5, 0, 0, 16),
        WHEN(5, BPF_DEVCG_ACC_MKNOD, 15),
        I(BPF_ALU64 | BPF_AND | BPF_K, 2, 0, 0, 0xffff),
        UNLESS(2, BPF_DEVCG_DEV_CHAR, 11),
        WHEN(3, 136, 12),
        UNLESS(3, 5, 2),
        WHEN(4, 0, 10), WHEN(4, 2, 9),
        UNLESS(3, 1, 6),
        WHEN(4, 3, 7), WHEN(4, 5, 6), WHEN(4, 7, 5), WHEN(4, 8, 4), WHEN(4, 9, 3),
        I(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
        I(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
        I(BPF_JMP | BPF_JA, 0, 0, 0, 0),
        I(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1),
        I(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attr.insns = (uintptr_t)program;
    attr.insn_cnt = sizeof program / sizeof program[0];
    attr.license = (uintptr_t)"GPL";
    int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
    CHECK(fd);
    memset(&attr, 0, sizeof attr);
    attr.target_fd = cgroup;
    attr.attach_bpf_fd = fd;
    attr.attach_type = BPF_CGROUP_DEVICE;
    CHECK(syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof attr));
    close(fd);
}

/* Returns the directory in the unified hierarchy, or -1. */
static int make_cgroups(void)
{
    for (int kind = 0; kind < 4; kind++)
        if (variable(KINDS[kind]))
            CHECK(mkdir(variable(KINDS[kind]), 0755));
    int unified = -1;
    if (variable("UNIFIED")) {
        unified = open(variable("UNIFIED"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        CHECK(unified);
    }
    if (!variable("PIDS")) {
        put(variable("UNIFIED"), "pids.max", "512");
        put(variable("UNIFIED"), "memory.max", "268435456");
        device_program(unified);
        return unified;
    }
    put(variable("PIDS"), "pids.max", "512");
    put(variable("MEMORY"), "memory.limit_in_bytes", "268435456");
    put(variable("DEVICES"), "devices.deny", "a");
    for (size_t at = 0; at < sizeof ALLOWED / sizeof ALLOWED[0]; at++)
        put(variable("DEVICES"), "devices.allow", ALLOWED[at]);
    return unified;
}

static void enter_cgroups(void)
{
    for (int kind = 1; kind < 4; kind++)
        if (variable(KINDS[kind]))
            put(variable(KINDS[kind]), "cgroup.procs", "0");
}

static void remove_cgroups(void)
{
    for (int kind = 0; kind < 4; kind++)
        if (variable(KINDS[kind]))
            while (rmdir(variable(KINDS[kind])) < 0)
                if (errno != EBUSY)
                    die("rmdir(cgroup)", __LINE__);
}

/* ---- the child ---- */

static void loopback_up(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(fd);
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    CHECK(ioctl(fd, SIOCSIFFLAGS, &request));
    close(fd);
}

static void mount_all(void)
{
    const unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    CHECK(mount("proc", "proc", "proc", safe, NULL));
    CHECK(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"));
    CHECK(mkdir("dev/pts", 0755));
    CHECK(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
                "newinstance,ptmxmode=0666,mode=0620,gid=5"));
    CHECK(mount("sysfs", "sys", "sysfs", safe | MS_RDONLY, NULL));
    CHECK(mkdir("dev/mqueue", 0755));
    CHECK(mount("mqueue", "dev/mqueue", "mqueue", safe, NULL));
    CHECK(mkdir("dev/shm", 0755));
    CHECK(mount("shm", "dev/shm", "tmpfs", safe, "mode=1777,size=65536k"));
    if (!variable("PIDS")) {
        CHECK(mount("cgroup", "sys/fs/cgroup", "cgroup2", safe | MS_RDONLY, NULL));
        return;
    }
    CHECK(mount("tmpfs", "sys/fs/cgroup", "tmpfs", safe, "mode=755,size=64k"));
    static const char *const V1[] = {"pids", "memory", "devices"};
    if (variable("UNIFIED")) {
        CHECK(mkdir("sys/fs/cgroup/unified", 0755));
        CHECK(mount("cgroup", "sys/fs/cgroup/unified", "cgroup2", safe | MS_RDONLY, NULL));
    }
    for (int at = 0; at < 3; at++) {
        char path[64];
        snprintf(path, sizeof path, "sys/fs/cgroup/%s", V1[at]);
        CHECK(mkdir(path, 0755));
        CHECK(mount("cgroup", path, "cgroup", safe | MS_RDONLY, V1[at]));
    }
    CHECK(mount(NULL, "sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | safe, NULL));
}

static void make_devices(void)
{
    static const struct {
        const char *path;
        int major, minor;
    } NODES[] = {{"dev/null", 1, 3},   {"dev/zero", 1, 5},    {"dev/full", 1, 7},
                 {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};
    for (int at = 0; at < 6; at++)
        CHECK(mknod(NODES[at].path, S_IFCHR | 0666, makedev(NODES[at].major, NODES[at].minor)));
    static const char *const LINKS[][2] = {{"/proc/self/fd", "dev/fd"},
                                           {"/proc/self/fd/0", "dev/stdin"},
                                           {"/proc/self/fd/1", "dev/stdout"},
                                           {"/proc/self/fd/2", "dev/stderr"},
                                           {"pts/ptmx", "dev/ptmx"}};
    for (int at = 0; at < 5; at++)
        CHECK(symlink(LINKS[at][0], LINKS[at][1]));
}

static void guard_paths(void)
{
    static const char *const MASKED[] = {
        "/proc/asound",      "/proc/acpi",        "/proc/interrupts", "/proc/kcore",
        "/proc/keys",        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
        "/proc/sched_debug", "/proc/scsi",        "/sys/firmware",
        "/sys/devices/virtual/powercap"};
    static const char *const READ_ONLY[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                            "/proc/sysrq-trigger"};
    for (int at = 0; at < 12; at++) {
        if (mount("/dev/null", MASKED[at], NULL, MS_BIND, NULL) == 0 || errno == ENOENT)
            continue;
        if (errno != ENOTDIR)
            die("mask", __LINE__);
        CHECK(mount("tmpfs", MASKED[at], "tmpfs", MS_RDONLY, "size=0k"));
    }
    for (int at = 0; at < 5; at++) {
        const char *path = READ_ONLY[at];
        if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0) {
            if (errno == ENOENT)
                continue;
            die("read-only", __LINE__);
        }
        CHECK(mount(NULL, path, NULL,
                    MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
    }
}

/* CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT
   MKNOD AUDIT_WRITE SETFCAP */
static const uint64_t CAPABILITIES = 0xa80425fb;

static void take_capabilities(void)
{
    for (int capability = 0; capability < 64; capability++) {
        if (CAPABILITIES >> capability & 1)
            continue;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) {
            if (errno == EINVAL)
                break;
            die("PR_CAPBSET_DROP", __LINE__);
        }
    }
    CHECK(syscall(SYS_setgroups, 0, NULL));
    CHECK(syscall(SYS_setresgid, 0, 0, 0));
    CHECK(syscall(SYS_setresuid, 0, 0, 0));
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    data[0].effective = data[0].permitted = (uint32_t)CAPABILITIES;
    CHECK(syscall(SYS_capset, &header, data));
}

/* A gate to wait at, or -1. */
struct child {
    int rendezvous;
    int gate;
};

static int child(void *argument)
{
    const struct child *told = argument;
    enter_cgroups();
    CHECK(unshare(CLONE_NEWCGROUP));
    loopback_up();
    CHECK(sethostname("bench", 5));
    CHECK(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL));
    const char *rootfs = variable("ROOTFS");
    CHECK(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL));
    CHECK(chdir(rootfs));
    mount_all();
    make_devices();
    CHECK(syscall(SYS_pivot_root, ".", "."));
    CHECK(umount2(".", MNT_DETACH));
    CHECK(chdir("/"));
    CHECK(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
    guard_paths();
    CHECK(setsid());
    CHECK(syscall(SYS_keyctl, 1, NULL));
    umask(022);
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    take_capabilities();

    char byte = 0;
    int from = told->rendezvous;
    if (from >= 0)
        CHECK(write(from, &byte, 1));
    if (told->gate >= 0) {
        from = accept4(told->gate, NULL, NULL, SOCK_CLOEXEC);
        CHECK(from);
    }
    if (from >= 0)
        CHECK(read(from, &byte, 1));

    struct sock_fprog program = {sizeof FILTER / sizeof FILTER[0], FILTER};
    CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
    char *argv[] = {"/exit", NULL}, *env[] = {"PATH=/bin", NULL};
    execve("/exit", argv, env);
    die("execve", __LINE__);
    return 0;
}

static struct clone_args birth(int cgroup, uint64_t flags)
{
    struct clone_args args;
    memset(&args, 0, sizeof args);
    args.flags = flags | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
    args.exit_signal = SIGCHLD;
    if (cgroup >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup;
    }
    return args;
}

/* With the parent's memory but a stack of its own: what vfork(2) does for C needs its caller. */
static long clone_shared(int cgroup, const struct child *told)
{
#if !defined(__x86_64__)
#error "the floor is measured on x86-64"
#endif
    static char stack[65536] __attribute__((aligned(16)));
    struct clone_args args = birth(cgroup, CLONE_VM | CLONE_VFORK);
    args.stack = (uintptr_t)stack;
    args.stack_size = sizeof stack;
    long result = SYS_clone3;
    register int (*run)(void *) __asm__("r12") = child;
    register const struct child *argument __asm__("r13") = told;
    __asm__ volatile("syscall\n"
                     "test %%rax, %%rax\n"
                     "jnz 1f\n"
                     "xor %%ebp, %%ebp\n"
                     "mov %%r13, %%rdi\n"
                     "call *%%r12\n"
                     "hlt\n"
                     "1:\n"
                     : "+a"(result)
                     : "D"(&args), "S"(sizeof args), "r"(run), "r"(argument)
                     : "rcx", "r11", "memory");
    errno = result < 0 ? (int)-result : 0;
    return result;
}

static long clone_copied(int cgroup, const struct child *told)
{
    struct clone_args args = birth(cgroup, 0);
    long result = syscall(SYS_clone3, &args, sizeof args);
    if (result == 0)
        _exit(child((void *)told));
    return result;
}

/* ---- the journal ---- */

static char JOURNAL[512], RECORD[600], NEW[600], GATE[600];

static void name_journal(void)
{
    snprintf(JOURNAL, sizeof JOURNAL, "%s/floor", variable("STATE"));
    snprintf(RECORD, sizeof RECORD, "%s/state.json", JOURNAL);
    snprintf(NEW, sizeof NEW, "%s/.state.json", JOURNAL);
    snprintf(GATE, sizeof GATE, "%s/gate", JOURNAL);
}

static void write_record(int pid)
{
    int fd = open(NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd);
    CHECK(dprintf(fd, "{\"version\":1,\"id\":\"floor\",\"cgroup\":\"%s\",\"pid\":%d}",
                  variable(variable("PIDS") ? "PIDS" : "UNIFIED"), pid));
    close(fd);
    CHECK(rename(NEW, RECORD));
}

static int recorded_pid(void)
{
    char text[1024];
    int fd = open(RECORD, O_RDONLY | O_CLOEXEC);
    CHECK(fd);
    ssize_t length = read(fd, text, sizeof text - 1);
    CHECK(length);
    close(fd);
    text[length] = 0;
    const char *found = strstr(text, "\"pid\":");
    return found ? atoi(found + 6) : 0;
}

static struct sockaddr_un gate_address(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(GATE) >= sizeof address.sun_path)
        die("the path of the gate", __LINE__);
    strcpy(address.sun_path, GATE);
    return address;
}

/* ---- the commands ---- */

/* Gives the word, and lets the program go when it is there. */
static void start(int pid, int rendezvous)
{
    const long options = PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    char byte = 0;
    int status;
    CHECK(ptrace(PTRACE_SEIZE, pid, NULL, options));
    CHECK(write(rendezvous, &byte, 1));
    CHECK(waitpid(pid, &status, __WALL));
    if (!WIFSTOPPED(status) || status >> 8 != (SIGTRAP | PTRACE_EVENT_EXEC << 8))
        die("the stop at exec", __LINE__);
    CHECK(ptrace(PTRACE_DETACH, pid, NULL, NULL));
}

static int run(void)
{
    int cgroup = make_cgroups(), status;
    struct child told = {-1, -1};
    long pid = clone_shared(cgroup, &told);
    CHECK(pid);
    CHECK(waitpid((pid_t)pid, &status, 0));
    remove_cgroups();
    return status;
}

static long create(struct child *told, int *near)
{
    int pair[2];
    char byte;
    name_journal();
    CHECK(mkdir(JOURNAL, 0700));
    write_record(0);
    if (told->gate == 0) {
        struct sockaddr_un address = gate_address();
        told->gate = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        CHECK(told->gate);
        CHECK(bind(told->gate, (struct sockaddr *)&address, sizeof address));
        CHECK(listen(told->gate, 1));
    }
    int cgroup = make_cgroups();
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
    told->rendezvous = pair[1];
    long pid = clone_copied(cgroup, told);
    CHECK(pid);
    close(pair[1]);
    if (read(pair[0], &byte, 1) != 1)
        die("the child", __LINE__);
    *near = pair[0];
    return pid;
}

static void remove_journal(void)
{
    unlink(GATE);
    CHECK(unlink(RECORD));
    CHECK(rmdir(JOURNAL));
}

static int run_plus(void)
{
    struct child told = {-1, -1};
    int near, status;
    int pid = (int)create(&told, &near);
    start(pid, near);
    CHECK(waitpid(pid, &status, 0));
    remove_cgroups();
    remove_journal();
    return status;
}

static int start_created(void)
{
    name_journal();
    struct sockaddr_un address = gate_address();
    int gate = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    CHECK(gate);
    CHECK(connect(gate, (struct sockaddr *)&address, sizeof address));
    start(recorded_pid(), gate);
    return 0;
}

static int delete(void)
{
    name_journal();
    kill(recorded_pid(), SIGKILL);
    remove_cgroups();
    remove_journal();
    return 0;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "run") == 0)
        return run();
    if (strcmp(command, "run+") == 0)
        return run_plus();
    if (strcmp(command, "create") == 0) {
        struct child told = {-1, 0};
        int near;
        write_record((int)create(&told, &near));
        return 0;
    }
    if (strcmp(command, "start") == 0)
        return start_created();
    if (strcmp(command, "delete") == 0)
        return delete();
    return 2;
}
