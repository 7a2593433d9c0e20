#pragma once
#include "parse_number.h"
namespace fast_float { template <class T> T parse(const std::string &s) { return T(detail::number(s.data(), s.data() + s.size())); } }
