// As much of CUDA as the kernels need, for a CPU's compiler: one thread after the other, each up to where it waits for
// the others of its block.

#undef _FORTIFY_SOURCE  // it takes another thread's stack for a broken one
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <initializer_list>
#include <utility>

#define __device__
#define __global__
#define __shared__ static
#define __launch_bounds__(threads)

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

// The threads of a block, each on a stack of its own.
struct Block {
    struct Thread {
        ucontext_t start;
        jmp_buf there;
        char* stack;
        bool ended;
    } threads[1024];
    void (*kernel)(void*);
    void* arguments;
    Thread* running = nullptr;
    jmp_buf outside;
    bool waited = false;

    // False if some threads waited for others that had ended.
    bool run(unsigned count, bool backwards) {
        for (unsigned i = 0; i < count; ++i) threads[i].ended = false;
        for (unsigned ended = 0; ended < count;) {
            if (ended) {
                for (Thread& thread : threads)
                    if (!thread.ended) thread.stack = nullptr;  // it stays where it waits, and is made anew
                return false;
            }
            for (unsigned step = 0; step < count; ++step) {
                unsigned i = backwards ? count - 1 - step : step;
                threadIdx = {i, 0, 0};
                running = &threads[i];
                go_on();
                ended += running->ended;
            }
        }
        running = nullptr;
        return true;
    }
    // The running thread up to where it waits or ends. It is made once and then serves every block. Jumps, since a change
    // of context asks the system twice.
    void __attribute__((noinline)) go_on() {
        if (_setjmp(outside)) return;
        if (running->stack) _longjmp(running->there, 1);
        running->stack = (char*)malloc(1 << 16);
        getcontext(&running->start);
        running->start.uc_stack.ss_sp = running->stack;
        running->start.uc_stack.ss_size = 1 << 16;
        makecontext(&running->start, begin, 0);
        setcontext(&running->start);
    }
    static void begin();
};
static Block block;
void Block::begin() {
    for (;;) {
        block.kernel(block.arguments);
        block.running->ended = true;
        if (!_setjmp(block.running->there)) _longjmp(block.outside, 1);
    }
}
static void __attribute__((noinline)) __syncthreads() {
    if (!block.running) __builtin_trap();  // a kernel that waits now and did not at its first launch
    block.waited = true;
    if (!_setjmp(block.running->there)) _longjmp(block.outside, 1);
}

// Run a kernel as cuLaunchKernel does: each of the arguments is the address of a value. Backwards, from the last thread
// to the first. Gives 0, or -1 for a wrong number of arguments, -2 for threads that wait for ever, or the place from 1
// of an argument that is of a wrong type.
template <class... A, size_t... I>
int launch(void (*kernel)(A...), long long blocks, long long threads, bool backwards, void** arguments,
           const char** types, int count, bool& waits, std::index_sequence<I...>)
{
    if (count != sizeof...(A)) return -1;
    for (int wrong : {0, (Parameter<A>::fits(types[I]) ? 0 : (int)I + 1)...})
        if (wrong) return wrong;
    blockDim = {(unsigned)threads, 1, 1};
    gridDim = {(unsigned)blocks, 1, 1};
    auto call = [&] { kernel(*(A*)arguments[I]...); };
    block.kernel = [](void* it) { (*(decltype(&call))it)(); };
    block.arguments = &call;
    block.waited = false;
    for (long long step = 0; step < blocks; ++step) {
        blockIdx = {(unsigned)(backwards ? blocks - 1 - step : step), 0, 0};
        if (waits) {
            if (!block.run((unsigned)threads, backwards)) return -2;
            continue;
        }
        for (long long i = 0; i < threads; ++i) {
            threadIdx = {(unsigned)(backwards ? threads - 1 - i : i), 0, 0};
            call();
        }
    }
    waits = block.waited;  // one that has no need to takes less time without
    return 0;
}

#define LAUNCHED_BY(name, kernel)                                                                              \
    extern "C" int name(long long blocks, long long threads, bool backwards, void** arguments,                 \
                        const char** types, int count)                                                         \
    {                                                                                                          \
        static bool waits = true;                                                                              \
        return [&]<class... A>(void (*f)(A...)) {                                                              \
            return launch(f, blocks, threads, backwards, arguments, types, count, waits,                       \
                          std::make_index_sequence<sizeof...(A)>());                                           \
        }(kernel);                                                                                             \
    }
