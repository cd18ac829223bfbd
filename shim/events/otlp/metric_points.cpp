#include "shim/events/otlp/metric_points.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <protozero/pbf_writer.hpp>
#include <utility>
#include <vector>

#include "shim/events/otlp/metric_fields.h"
#include "shim/events/totals.h"

namespace telinject::otlp {

namespace {

using protozero::pbf_writer;
using Buckets = std::vector<std::pair<int32_t, uint64_t>>;  // of scale kScale, from the lowest

constexpr double kNsPerSecond = 1e9;

double seconds(int64_t ns) {
  return static_cast<double>(ns) / kNsPerSecond;
}

void add_times(pbf_writer* writer, const PointTimes& times) {
  writer->add_fixed64(field::point::kStart, times.start_ns);
  writer->add_fixed64(field::point::kTime, times.now_ns);
}

void append_point(std::string* item, const std::string& point) {
  pbf_writer(*item).add_message(field::metric::kPoints, point);
}

Buckets buckets_of(const DurationPoint& point) {
  Buckets buckets;
  point.durations->each_bucket([&](int32_t bucket, uint64_t count) {
    if (!buckets.empty() && buckets.back().first == bucket) {
      buckets.back().second += count;
    } else {
      buckets.emplace_back(bucket, count);
    }
  });
  for (auto& [bucket, count] : buckets) count = estimated(count, point.rate);
  return buckets;
}

struct Sums {
  uint64_t zeros = 0, count = 0;
  int64_t total_ns = 0;
};

Sums sums_of(const DurationPoint& point, const Buckets& buckets) {
  Sums sums;
  sums.zeros = estimated(point.durations->zeros(), point.rate);
  sums.count = sums.zeros;
  for (const auto& [bucket, count] : buckets) sums.count += count;
  sums.total_ns = estimated_ns(point.total_ns, point.rate);
  return sums;
}

// How much less than kScale.
int coarser(const Buckets& buckets) {
  int by = 0;
  if (buckets.empty()) return by;
  while ((buckets.back().first >> by) - (buckets.front().first >> by) >= kMostBuckets) by++;
  return by;
}

}  // namespace

void append_count(std::string* item, const PointTimes& times, const AttributeSet& attributes,
                  uint64_t count) {
  std::string point;
  pbf_writer writer(point);
  add_times(&writer, times);
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  writer.add_sfixed64(field::number_point::kInt, static_cast<int64_t>(std::min(count, kMost)));
  attributes.append_to(&point, field::number_point::kAttributes);
  append_point(item, point);
}

void append_seconds(std::string* item, const PointTimes& times, const AttributeSet& attributes,
                    int64_t ns) {
  std::string point;
  pbf_writer writer(point);
  add_times(&writer, times);
  writer.add_double(field::number_point::kDouble, seconds(ns));
  attributes.append_to(&point, field::number_point::kAttributes);
  append_point(item, point);
}

void append_exponential(std::string* item, const PointTimes& times, const AttributeSet& attributes,
                        const DurationPoint& about) {
  namespace f = field::exponential_point;
  Buckets buckets = buckets_of(about);
  Sums sums = sums_of(about, buckets);
  int by = coarser(buckets);
  std::string point;
  attributes.append_to(&point, f::kAttributes);
  pbf_writer writer(point);
  add_times(&writer, times);
  writer.add_fixed64(f::kCount, sums.count);
  writer.add_double(f::kSum, seconds(sums.total_ns));
  writer.add_sint32(f::kScale, DurationHistogram::kScale - by);
  writer.add_fixed64(f::kZeros, sums.zeros);
  if (!buckets.empty()) {
    int32_t offset = buckets.front().first >> by;
    std::vector<uint64_t> counts((buckets.back().first >> by) - offset + 1);
    for (const auto& [bucket, count] : buckets) counts[(bucket >> by) - offset] += count;
    pbf_writer positive(writer, f::kPositive);
    positive.add_sint32(f::kOffset, offset);
    positive.add_packed_uint64(f::kBuckets, counts.begin(), counts.end());
  }
  writer.add_double(f::kMin, seconds(about.min_ns));
  writer.add_double(f::kMax, seconds(about.max_ns));
  append_point(item, point);
}

void append_explicit(std::string* item, const PointTimes& times, const AttributeSet& attributes,
                     const DurationPoint& about) {
  namespace f = field::histogram_point;
  constexpr int kFirst = -22, kLast = 6, kStep = 2,
                kBucketsOfPower = 1 << DurationHistogram::kScale;
  constexpr size_t kBounds = (kLast - kFirst) / kStep + 1;
  std::array<double, kBounds> bounds = {};
  for (size_t i = 0; i < kBounds; i++) {
    bounds[i] = std::ldexp(1.0, kFirst + kStep * static_cast<int>(i));
  }
  Buckets buckets = buckets_of(about);
  Sums sums = sums_of(about, buckets);
  std::array<uint64_t, kBounds + 1> counts = {sums.zeros};
  for (const auto& [bucket, count] : buckets) {
    // A bucket goes up to the lower bound of the next one.
    int above = bucket + 1 - kFirst * kBucketsOfPower;
    int width = kStep * kBucketsOfPower;
    int place = above <= 0 ? 0 : (above + width - 1) / width;
    counts[std::min<size_t>(static_cast<size_t>(place), kBounds)] += count;
  }
  std::string point;
  pbf_writer writer(point);
  add_times(&writer, times);
  writer.add_fixed64(f::kCount, sums.count);
  writer.add_double(f::kSum, seconds(sums.total_ns));
  writer.add_packed_fixed64(f::kBuckets, counts.begin(), counts.end());
  writer.add_packed_double(f::kBounds, bounds.begin(), bounds.end());
  attributes.append_to(&point, f::kAttributes);
  writer.add_double(f::kMin, seconds(about.min_ns));
  writer.add_double(f::kMax, seconds(about.max_ns));
  append_point(item, point);
}

}  // namespace telinject::otlp
