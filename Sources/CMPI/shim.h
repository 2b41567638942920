// Open MPI's constants are casts in macros, which Swift does not import: one getter each.
#ifndef NEFT_CMPI_SHIM_H
#define NEFT_CMPI_SHIM_H

#include <mpi.h>

static inline MPI_Comm neft_mpi_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Datatype neft_mpi_byte(void) { return MPI_BYTE; }
static inline MPI_Datatype neft_mpi_float(void) { return MPI_FLOAT; }
static inline MPI_Op neft_mpi_sum(void) { return MPI_SUM; }
static inline void *neft_mpi_in_place(void) { return MPI_IN_PLACE; }
static inline MPI_Errhandler neft_mpi_errors_return(void) { return MPI_ERRORS_RETURN; }
static inline MPI_Request neft_mpi_request_null(void) { return MPI_REQUEST_NULL; }
static inline MPI_Status *neft_mpi_status_ignore(void) { return MPI_STATUS_IGNORE; }
static inline MPI_Status *neft_mpi_statuses_ignore(void) { return MPI_STATUSES_IGNORE; }
static inline MPI_Info neft_mpi_info_null(void) { return MPI_INFO_NULL; }

#endif
