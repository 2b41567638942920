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
    return sigaction(signal, &action, NULL);
}

int neft_stop_signal_received(void) { return atomic_load(&received); }
