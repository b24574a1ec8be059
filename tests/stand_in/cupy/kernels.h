// As much of CUDA as a kernel without shared memory needs, for a CPU's compiler: one thread after the other.

#include <math.h>
#include <string.h>

#include <initializer_list>
#include <utility>

#define __device__
#define __global__

struct Place {
    unsigned x, y, z;
};
static Place blockIdx, threadIdx, blockDim, gridDim;

// A parameter's type as NumPy writes it, an address as that of what lies there with a star in front.
template <class T> struct Type;
template <> struct Type<bool> { static constexpr const char* name = "*b1"; };
template <> struct Type<int> { static constexpr const char* name = "*i4"; };
template <> struct Type<long long> { static constexpr const char* name = "*i8"; };
template <> struct Type<float> { static constexpr const char* name = "*f4"; };
template <> struct Type<double> { static constexpr const char* name = "*f8"; };

template <class T> struct Parameter {
    static bool fits(const char* given) { return !strcmp(given, Type<T>::name + 1); }
};
template <class T> struct Parameter<T*> {
    static bool fits(const char* given) { return !strcmp(given, Type<T>::name) || !strcmp(given, "u8"); }  // or null
};
template <class T> struct Parameter<const T*> : Parameter<T*> {};

// Run a kernel as cuLaunchKernel does: each of the arguments is the address of a value. Backwards, from the last thread
// to the first. Gives 0, or -1 for a wrong number of arguments, or the place from 1 of one that is of a wrong type.
template <class... A, size_t... I>
int launch(void (*kernel)(A...), long long blocks, long long threads, bool backwards, void** arguments,
           const char** types, int count, std::index_sequence<I...>)
{
    if (count != sizeof...(A)) return -1;
    for (int wrong : {0, (Parameter<A>::fits(types[I]) ? 0 : (int)I + 1)...})
        if (wrong) return wrong;
    blockDim = {(unsigned)threads, 1, 1};
    gridDim = {(unsigned)blocks, 1, 1};
    for (long long step = 0; step < blocks * threads; ++step) {
        long long i = backwards ? blocks * threads - 1 - step : step;
        blockIdx = {(unsigned)(i / threads), 0, 0};
        threadIdx = {(unsigned)(i % threads), 0, 0};
        kernel(*(A*)arguments[I]...);
    }
    return 0;
}

#define LAUNCHED_BY(name, kernel)                                                                              \
    extern "C" int name(long long blocks, long long threads, bool backwards, void** arguments,                 \
                        const char** types, int count)                                                         \
    {                                                                                                          \
        return [&]<class... A>(void (*f)(A...)) {                                                              \
            return launch(f, blocks, threads, backwards, arguments, types, count,                              \
                          std::make_index_sequence<sizeof...(A)>());                                           \
        }(kernel);                                                                                             \
    }
