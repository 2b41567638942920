#ifndef NEFT_CZSTD_SHIM_H
#define NEFT_CZSTD_SHIM_H

#include <zstd.h>

#endif
