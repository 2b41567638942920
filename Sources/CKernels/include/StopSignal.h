#ifndef NEFT_STOP_SIGNAL_H
#define NEFT_STOP_SIGNAL_H

/// From now on `signal` sets a flag instead of ending the process; system calls under way go on. With `once` a second
/// one ends the process. Any number of signals may be watched; on the main thread. Returns 0, or -1 with errno.
int neft_stop_signal_watch(int signal, int once);

/// The first watched signal that came; 0 while none has.
int neft_stop_signal_received(void);

#endif
