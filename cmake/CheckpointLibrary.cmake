# libbevgrad_checkpoint.so: the readers of formats/ behind a C API (formats/c_api/checkpoint.h), and the Python module on
# it. There is no engine in it: of tensor/ it has shapes and dtypes, and the linker drops what would need more.
#
#   cmake --build build/release --target bevgrad_checkpoint            # the library
#   cmake --build build/release --target bevgrad_checkpoint_wheel      # build/release/wheels/bevgrad_checkpoint-*.whl
add_library(bevgrad_checkpoint SHARED EXCLUDE_FROM_ALL $<TARGET_OBJECTS:bevgrad_base> $<TARGET_OBJECTS:bevgrad_formats>
  tensor/shape.cpp tensor/dtype.cpp)
target_include_directories(bevgrad_checkpoint PRIVATE "${BEVGRAD_ROOMS_DIR}/tensor" "${BEVGRAD_ROOMS_DIR}/base")
target_link_libraries(bevgrad_checkpoint PRIVATE bevgrad_flags PkgConfig::hdf5 PkgConfig::xxhash PkgConfig::libdeflate
  PkgConfig::lz4 ZLIB::ZLIB Threads::Threads)
target_link_options(bevgrad_checkpoint PRIVATE -Wl,--gc-sections -Wl,--as-needed -Wl,-z,now
  "-Wl,--version-script,${PROJECT_SOURCE_DIR}/formats/c_api/exported.map")
set_target_properties(bevgrad_checkpoint PROPERTIES LINK_DEPENDS "${PROJECT_SOURCE_DIR}/formats/c_api/exported.map"
  LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")

bevgrad_wheel(checkpoint)
