// SPDX-License-Identifier: Apache-2.0
// What the files blocks_*.cpp of one level share; documented at BlockKernels.
#pragma once

#include "kernels/level.hpp"

namespace sc::SC_LEVEL {

bool subtract(const uint8_t* source, ptrdiff_t source_pitch, const uint8_t* guess,
              ptrdiff_t guess_pitch, int size, float* out, int out_pitch);
void forward16(const float* samples, float* out);
void forward8(const float* samples, int pitch, float* out);
void forward4s(const float* samples, int pitch, float* out);
void forward4(const float* samples, float* out);
float level_bits(const float* levels, int count, float inverse_step);
bool quantise_plain(const float* coefficients, const float* inverse_steps, int count,
                    float rounding, int most, int16_t* symbols);
int groups(const float* coefficients, const float* inverse_steps, float rounding);
int large(const float* coefficients, const float* inverse_steps, int count, uint16_t* channels);
int nonzero(const int16_t* symbols, int count, uint16_t* channels);
int sum_prices(const uint8_t* tables, int count, const uint16_t* prices);
void add16(const int32_t* work, int rows, int columns, uint8_t* out, ptrdiff_t pitch);
void add8(const int32_t* work, int rows, int columns, uint8_t* out, ptrdiff_t pitch);
void add4(const int32_t* work, uint8_t* out, ptrdiff_t pitch);
void add_plain4(const int32_t* work, uint8_t* out, ptrdiff_t pitch);
void predict(const uint8_t* edge, int size, int mode, uint8_t* out, ptrdiff_t pitch);

}  // namespace sc::SC_LEVEL
