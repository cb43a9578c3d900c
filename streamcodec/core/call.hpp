// SPDX-License-Identifier: Apache-2.0
// A reference to something that can be called, as an argument: std::function without its header,
// which takes long to compile, and without a copy.
#pragma once

namespace sc {

// What it refers to must outlive the call that it is handed to.
template <class... Arguments>
class Call {
  public:
    template <class F>
    Call(const F& function)
        : function_(&function), call_([](const void* f, Arguments... arguments) {
              (*static_cast<const F*>(f))(arguments...);
          }) {}
    Call(const Call&) = default;
    void operator()(Arguments... arguments) const { call_(function_, arguments...); }

  private:
    const void* function_;
    void (*call_)(const void*, Arguments...);
};

}  // namespace sc
