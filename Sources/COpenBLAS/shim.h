#ifndef NEFT_COPENBLAS_SHIM_H
#define NEFT_COPENBLAS_SHIM_H

#include <cblas.h>

#endif
