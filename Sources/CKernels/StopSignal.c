#define _GNU_SOURCE
#include "StopSignal.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

// Lock-free, and so allowed in a handler.
static atomic_int received;

static void note(int signal) {
    int none = 0;
    atomic_compare_exchange_strong(&received, &none, signal);
}

int neft_stop_signal_watch(int signal, int once) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = note;
    action.sa_flags = SA_RESTART | (once ? (int)SA_RESETHAND : 0);
    sigemptyset(&action.sa_mask);
    if (sigaction(signal, &action, NULL) != 0) return -1;
    // Whoever started this process may have left it blocked.
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    return sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int neft_stop_signal_received(void) { return atomic_load(&received); }
