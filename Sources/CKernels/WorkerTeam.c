#define _GNU_SOURCE
#include "WorkerTeam.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

// Idle workers spin briefly, because loops of one step follow each other within microseconds, then sleep in the
// kernel, so that a waiting team leaves its cores to others.
enum { spin_rounds = 4000 };

struct neft_team {
    int threads;
    pthread_t *handles;
    neft_tile_function function;
    void *context;
    long tiles;
    _Alignas(64) atomic_long next;
    _Alignas(64) atomic_int generation;  // futex word: a new loop has begun
    _Alignas(64) atomic_int running;     // futex word: workers that have not finished this loop
    atomic_int stop;
};

typedef struct {
    neft_team *team;
    int worker;
} start;

static inline void pause_cpu(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void wait_while_equal(atomic_int *word, int value) {
    for (int i = 0; i < spin_rounds; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != value) return;
        pause_cpu();
    }
    while (atomic_load_explicit(word, memory_order_acquire) == value)
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake_all(atomic_int *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1 << 30, NULL, NULL, 0); }

static void take_tiles(neft_team *team, int worker) {
    for (;;) {
        long tile = atomic_fetch_add_explicit(&team->next, 1, memory_order_relaxed);
        if (tile >= team->tiles) return;
        team->function(team->context, tile, worker);
    }
}

static void *work(void *argument) {
    start begin = *(start *)argument;
    free(argument);
    neft_team *team = begin.team;
    int seen = 0;
    for (;;) {
        wait_while_equal(&team->generation, seen);
        seen++;
        if (atomic_load(&team->stop)) return NULL;
        take_tiles(team, begin.worker);
        if (atomic_fetch_sub_explicit(&team->running, 1, memory_order_acq_rel) == 1) wake_all(&team->running);
    }
}

neft_team *neft_team_create(int threads) {
    neft_team *team = aligned_alloc(64, (sizeof(neft_team) + 63) / 64 * 64);
    if (!team) return NULL;
    *team = (neft_team){.threads = 1};
    team->handles = calloc((size_t)threads, sizeof(pthread_t));
    if (!team->handles) {
        free(team);
        return NULL;
    }
    for (int worker = 1; worker < threads; worker++) {
        start *begin = malloc(sizeof *begin);
        if (begin) *begin = (start){team, worker};
        if (!begin || pthread_create(&team->handles[worker], NULL, work, begin) != 0) {
            free(begin);
            neft_team_destroy(team);
            return NULL;
        }
        team->threads++;
    }
    return team;
}

void neft_team_run(neft_team *team, long tiles, neft_tile_function function, void *context) {
    if (team->threads == 1 || tiles <= 1) {
        for (long tile = 0; tile < tiles; tile++) function(context, tile, 0);
        return;
    }
    team->function = function;
    team->context = context;
    team->tiles = tiles;
    atomic_store_explicit(&team->next, 0, memory_order_relaxed);
    atomic_store_explicit(&team->running, team->threads - 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&team->generation, 1, memory_order_release);
    wake_all(&team->generation);
    take_tiles(team, 0);
    for (;;) {
        int left = atomic_load_explicit(&team->running, memory_order_acquire);
        if (left == 0) return;
        wait_while_equal(&team->running, left);
    }
}

void neft_team_destroy(neft_team *team) {
    atomic_store(&team->stop, 1);
    atomic_fetch_add_explicit(&team->generation, 1, memory_order_release);
    wake_all(&team->generation);
    for (int worker = 1; worker < team->threads; worker++) pthread_join(team->handles[worker], NULL);
    free(team->handles);
    free(team);
}
