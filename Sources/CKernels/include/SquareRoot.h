#ifndef NEFT_SQUARE_ROOT_H
#define NEFT_SQUARE_ROOT_H

/// The correctly rounded square root. Swift's own calls the C library for negative numbers (to set errno), and that call
/// keeps a loop from being vectorised.
static inline float neft_square_root(float value) { return __builtin_elementwise_sqrt(value); }

#endif
