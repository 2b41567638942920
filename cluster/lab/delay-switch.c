// A switch between the TAP devices "eth0" of several network namespaces that holds each frame back: for the time it
// takes on a link of limited speed to the switch, for a delay, and for the time on the link to the receiver. It stands
// in for the kernel's netem, which not all systems have.
//
// usage: delay-switch NAMESPACE_PREFIX COUNT MEGABITS DELAY_MS COMMANDS
//   the namespaces are NAMESPACE_PREFIX1 … NAMESPACE_PREFIXcount, as files; MEGABITS 0: no limit
//   COMMANDS is a named pipe; the lines "K down" and "K up" pull and plug the cable of host K
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { hostLimit = 99, flood = -1, frameLimit = 1 << 17 };

/// What a link may hold back before it drops frames: 20 ms of its speed, at least 512 KiB.
static int64_t queueLimit = 1 << 19;
static double nanosecondsPerByte;
static int64_t delay;

typedef struct Frame {
    struct Frame *next;
    int64_t due;      // when it reaches the end of the stretch it is on
    int64_t wireBytes;
    int target;       // a port, or flood
    size_t length;    // of bytes
    unsigned char bytes[];
} Frame;

/// One direction of a link: frames in the order in which they leave it.
typedef struct {
    Frame *first, **last;
    int64_t free;     // when the frame before is through
} Stretch;

typedef struct {
    int device;
    int isCut;
    Stretch in, out;  // to the switch, with the delay; from it
} Port;

static Port ports[hostLimit];
static int count;

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "delay-switch: %s: %s\n", what, strerror(errno));
    exit(1);
}

/// Puts a frame that comes at a time on a stretch; drops it if the queue there is too long.
static void enter(Stretch *stretch, Frame *frame, int64_t time, int64_t extra) {
    if (stretch->free < time) stretch->free = time;
    if (nanosecondsPerByte > 0 && stretch->free - time > queueLimit * nanosecondsPerByte) {
        free(frame);
        return;
    }
    stretch->free += frame->wireBytes * nanosecondsPerByte;
    frame->due = stretch->free + extra;
    frame->next = NULL;
    *stretch->last = frame;
    stretch->last = &frame->next;
}

static Frame *leave(Stretch *stretch) {
    Frame *frame = stretch->first;
    stretch->first = frame->next;
    if (!stretch->first) stretch->last = &stretch->first;
    return frame;
}

/// Where each source address was seen last.
static struct { unsigned char address[6]; int port; } seen[hostLimit];
static int seenCount;

static int portOf(const unsigned char *address) {
    for (int i = 0; i < seenCount; i++)
        if (memcmp(seen[i].address, address, 6) == 0) return seen[i].port;
    return flood;
}

static void remember(const unsigned char *address, int port) {
    if (portOf(address) != flood || seenCount == hostLimit) return;
    memcpy(seen[seenCount].address, address, 6);
    seen[seenCount++].port = port;
}

/// The kernel hands over large frames that a network card would cut into several: counts their headers as well.
static int64_t bytesOnWire(const unsigned char *bytes, size_t length) {
    struct virtio_net_hdr header;
    memcpy(&header, bytes, sizeof header);
    int64_t frame = length - sizeof header;
    if (header.gso_type == VIRTIO_NET_HDR_GSO_NONE || header.gso_size == 0) return frame;
    int64_t payload = frame - header.hdr_len;
    int64_t parts = (payload + header.gso_size - 1) / header.gso_size;
    return parts > 1 ? frame + (parts - 1) * header.hdr_len : frame;
}

static void receive(int source) {
    static unsigned char buffer[frameLimit];
    for (int i = 0; i < 32; i++) {
        ssize_t length = read(ports[source].device, buffer, sizeof buffer);
        if (length < (ssize_t)sizeof(struct virtio_net_hdr) + 14) return;
        if (ports[source].isCut) continue;
        const unsigned char *ethernet = buffer + sizeof(struct virtio_net_hdr);
        remember(ethernet + 6, source);
        Frame *frame = malloc(sizeof *frame + length);
        if (!frame) die("memory");
        frame->length = length;
        frame->wireBytes = bytesOnWire(buffer, length);
        frame->target = portOf(ethernet);
        memcpy(frame->bytes, buffer, length);
        enter(&ports[source].in, frame, now(), delay);
    }
}

/// A frame has come through to the switch: on to its receiver, or to all but its sender.
static void forward(int source, Frame *frame) {
    for (int port = 0; port < count; port++) {
        if (port == source || (frame->target != flood && frame->target != port)) continue;
        Frame *copy = malloc(sizeof *copy + frame->length);
        if (!copy) die("memory");
        memcpy(copy, frame, sizeof *frame + frame->length);
        enter(&ports[port].out, copy, frame->due, 0);
    }
    free(frame);
}

/// Moves on what is due, earliest first; returns when the next frame is, or -1.
static int64_t advance(void) {
    for (;;) {
        int port = -1, arriving = 0;
        int64_t due = -1;
        for (int i = 0; i < count; i++) {
            Frame *in = ports[i].in.first, *out = ports[i].out.first;
            if (in && (due < 0 || in->due < due)) due = in->due, port = i, arriving = 1;
            if (out && (due < 0 || out->due < due)) due = out->due, port = i, arriving = 0;
        }
        if (due < 0 || due > now()) return due;
        if (arriving) {
            forward(port, leave(&ports[port].in));
        } else {
            Frame *frame = leave(&ports[port].out);
            if (!ports[port].isCut && write(ports[port].device, frame->bytes, frame->length) < 0 && errno != EIO
                && errno != EAGAIN)
                die("write");
            free(frame);
        }
    }
}

static void obey(int commands) {
    char text[256];
    ssize_t length = read(commands, text, sizeof text - 1);
    if (length <= 0) return;
    text[length] = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        int host;
        char word[8];
        if (sscanf(line, "%d %7s", &host, word) == 2 && host >= 1 && host <= count)
            ports[host - 1].isCut = strcmp(word, "down") == 0;
    }
}

static int openDevice(const char *prefix, int host) {
    char path[512];
    snprintf(path, sizeof path, "%s%d", prefix, host);
    int space = open(path, O_RDONLY | O_CLOEXEC);
    if (space < 0 || setns(space, CLONE_NEWNET) != 0) die(path);
    close(space);
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (device < 0) die("/dev/net/tun");
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    strcpy(request.ifr_name, "eth0");
    int headerBytes = sizeof(struct virtio_net_hdr);
    if (ioctl(device, TUNSETIFF, &request) != 0 || ioctl(device, TUNSETVNETHDRSZ, &headerBytes) != 0
        || ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0)
        die("eth0");
    return device;
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: delay-switch NAMESPACE_PREFIX COUNT MEGABITS DELAY_MS COMMANDS\n");
        return 2;
    }
    count = atoi(argv[2]);
    double megabits = atof(argv[3]);
    delay = atof(argv[4]) * 1e6;
    if (count < 1 || count > hostLimit) return 2;
    if (megabits > 0) {
        nanosecondsPerByte = 8e3 / megabits;
        if (queueLimit < 0.02 * megabits * 1e6 / 8) queueLimit = 0.02 * megabits * 1e6 / 8;
    }
    // Frames are due to the microsecond.
    prctl(PR_SET_TIMERSLACK, 1);
    // Read and write, so that the pipe never ends.
    int commands = open(argv[5], O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (commands < 0) die(argv[5]);
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    struct pollfd waiting[hostLimit + 1];
    for (int i = 0; i < count; i++) {
        ports[i].device = openDevice(argv[1], i + 1);
        ports[i].in.last = &ports[i].in.first;
        ports[i].out.last = &ports[i].out.first;
        waiting[i] = (struct pollfd){.fd = ports[i].device, .events = POLLIN};
    }
    waiting[count] = (struct pollfd){.fd = commands, .events = POLLIN};
    if (home < 0 || setns(home, CLONE_NEWNET) != 0) die("own namespace");
    puts("ready");
    fflush(stdout);
    for (;;) {
        int64_t due = advance(), wait = due < 0 ? 0 : due - now();
        if (wait < 0) wait = 0;
        struct timespec timeout = {wait / 1000000000, wait % 1000000000};
        if (ppoll(waiting, count + 1, due < 0 ? NULL : &timeout, NULL) <= 0) continue;
        if (waiting[count].revents & POLLIN) obey(commands);
        for (int i = 0; i < count; i++)
            if (waiting[i].revents & POLLIN) receive(i);
    }
}
