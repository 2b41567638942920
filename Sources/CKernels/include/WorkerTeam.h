#ifndef NEFT_WORKER_TEAM_H
#define NEFT_WORKER_TEAM_H

/// A fixed team of threads for fork-join loops. The caller is worker 0.
typedef struct neft_team neft_team;

/// Work on one tile. `worker` is in 0..<threads and is never shared by two tiles at once.
typedef void (*neft_tile_function)(void *context, long tile, int worker);

/// Starts `threads - 1` threads (threads >= 1). Returns NULL when the system refuses a thread.
neft_team *neft_team_create(int threads);

/// Runs function(context, tile, worker) once for each tile in 0..<tiles and returns when all are done.
/// Which worker takes which tile is not fixed: tiles must be independent. One caller at a time.
void neft_team_run(neft_team *team, long tiles, neft_tile_function function, void *context);

/// Ends and joins the threads.
void neft_team_destroy(neft_team *team);

#endif
