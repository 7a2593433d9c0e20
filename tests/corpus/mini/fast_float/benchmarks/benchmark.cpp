#include "fast_float/fast_float.h"
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

static void show(double bytes, size_t count, std::string name, double best_ns, double avg_ns) {
  printf("%-40s: %8.2f MB/s (+/- %.1f %%) ", name.data(), bytes / 1048576. * 1e9 / best_ns, (avg_ns - best_ns) * 100. / avg_ns);
  printf("%8.2f Mfloat/s  ", count * 1000 / best_ns);
  printf(" %8.2f ns/f \n", best_ns / count);
}

template <class T> static void clock_it(const std::vector<std::string> &rows, double bytes, std::string name) {
  size_t repeat = 1000;
  double best = 1e300, sum = 0;
  for (size_t turn = repeat; turn > 0; --turn) {
    auto a = std::chrono::steady_clock::now();
    T top = 0;
    for (auto &r : rows) { T x = fast_float::parse<T>(r); top = x > top ? x : top; }
    if (top == 0) printf("bug\n");
    double ns = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - a).count();
    best = ns < best ? ns : best;
    sum += ns;
  }
  show(bytes, rows.size(), name, best, sum / repeat);
}

static void file(std::string path) {
  std::ifstream in(path);
  std::vector<std::string> rows;
  std::string r;
  double bytes = 0;
  while (getline(in, r)) { bytes += r.size(); rows.push_back(r); }
  printf("# read %zu lines of %s\nASCII volume = %g MB\n", rows.size(), path.c_str(), bytes / 1048576.);
  clock_it<double>(rows, bytes, "fastfloat (64)");
  clock_it<float>(rows, bytes, "fastfloat (32)");
  printf("UTF-16 volume = %g MB\n", 2 * bytes / 1048576.);
  clock_it<double>(rows, 2 * bytes, "fastfloat (64)");
  clock_it<float>(rows, 2 * bytes, "fastfloat (32)");
}

int main(int n, char **v) {
  if (n > 1) { file(v[1]); return 0; }
  file(std::string(BENCHMARK_DATA_DIR) + "/canada.txt");
  file(std::string(BENCHMARK_DATA_DIR) + "/mesh.txt");
}
