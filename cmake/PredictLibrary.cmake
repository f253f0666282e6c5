# libbevgrad_predict.so: a trained network behind a C API (deploy/c_api/bevgrad_predict.h), for programs that are not in
# C++; and the Python module on it.
#
#   find_package(bevgrad COMPONENTS predict)                          # bevgrad::predict, or pkg-config bevgrad_predict
#   cmake --build build/release --target bevgrad_predict_wheel        # build/release/wheels/bevgrad_predict-*.whl
#
# A sanitizer's library would need the sanitizer in the program that loads it: there it is not built.
if(BEVGRAD_SANITIZE)
  return()
endif()
include(GNUInstallDirs)
add_library(bevgrad_predict SHARED deploy/c_api/predict.cpp)
add_library(bevgrad::predict ALIAS bevgrad_predict)
target_include_directories(bevgrad_predict PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/deploy/c_api>")
get_target_property(known bevgrad_deploy BEVGRAD_KNOWS)
bevgrad_include_rooms(bevgrad_predict deploy ${known})
list(TRANSFORM known PREPEND bevgrad_)
target_link_libraries(bevgrad_predict PRIVATE ${known} bevgrad_flags)
target_link_options(bevgrad_predict PRIVATE -Wl,--as-needed -Wl,-z,now -Wl,-z,defs
  "-Wl,--version-script,${PROJECT_SOURCE_DIR}/deploy/c_api/exported.map")
set_target_properties(bevgrad_predict PROPERTIES LINK_DEPENDS "${PROJECT_SOURCE_DIR}/deploy/c_api/exported.map"
  VERSION "${PROJECT_VERSION}" SOVERSION "${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}" EXPORT_NAME predict
  LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}" BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH_USE_LINK_PATH ON)

install(TARGETS bevgrad_predict EXPORT bevgrad_predict LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT predict
  INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES deploy/c_api/bevgrad_predict.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT predict)
install(EXPORT bevgrad_predict NAMESPACE bevgrad:: DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/bevgrad"
  FILE bevgrad-predict.cmake COMPONENT predict)
file(RELATIVE_PATH to_headers "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/${CMAKE_INSTALL_INCLUDEDIR}")
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/package/bevgrad_predict.pc" @ONLY CONTENT
"Name: bevgrad_predict
Description: Trained bird's-eye-view networks behind a C API
Version: @PROJECT_VERSION@
Libs: -L\${pcfiledir}/.. -lbevgrad_predict
Cflags: -I\${pcfiledir}/@to_headers@
")
install(FILES "${PROJECT_BINARY_DIR}/package/bevgrad_predict.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
  COMPONENT predict)

bevgrad_wheel(predict)
