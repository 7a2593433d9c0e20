#pragma once
#include <cmath>
#include <string>
namespace fast_float { namespace detail {
inline double number(const char *p, const char *end) {
  double v = 0; int point = 0; bool seen = false, minus = p != end && *p == '-';
  for (p += minus; p != end; ++p) {
    if (*p == '.') { seen = true; continue; }
    v = v * 10 + (*p - '0'); point += seen;
  }
  return (minus ? -v : v) / std::pow(10., point);
}
} }
