#ifndef NEFT_CKERNELS_H
#define NEFT_CKERNELS_H

#include "WorkerTeam.h"
#include "Bfloat16.h"
#include "Bfloat16GEMM.h"
#include "ByteplaneCodec.h"
#include "FewRows.h"
#include "SinglePrecisionGEMM.h"
#include "SharedCounter.h"
#include "SquareRoot.h"
#include "StopSignal.h"

/// Number of CPUs this process may run on (its affinity mask, which `mpirun` and Slurm set), at least 1.
int neft_affinity_cpu_count(void);

#endif
