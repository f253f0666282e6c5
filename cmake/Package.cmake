# What others build on: three components, each a target and a header that is enough. The same names serve an installed
# package (find_package) and a build within another project (add_subdirectory, FetchContent):
#
#   find_package(bevgrad COMPONENTS core bev train)
#   target_link_libraries(my_program PRIVATE bevgrad::train)      # #include <bevgrad/train.h>
#
#   core    tensors, gradients, layers, optimizers, files of checkpoints
#   bev     and the network of the pipeline, its geometry and data
#   train   and configs, training, evaluation, pictures, the command line
#
# Inside this tree a header is "tensor/tensor.h"; outside it is <bevgrad/tensor/tensor.h>, so that nothing of a user's is
# taken for ours. The public headers are copied with their includes renamed to build/include/bevgrad.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(BEVGRAD_CORE_ROOMS base tensor autograd nn formats optim loading)
set(BEVGRAD_BEV_ROOMS geometry bev models data)
set(BEVGRAD_TRAIN_ROOMS ${BEVGRAD_ROOMS} tools)
list(REMOVE_ITEM BEVGRAD_TRAIN_ROOMS ${BEVGRAD_CORE_ROOMS} ${BEVGRAD_BEV_ROOMS})

set(package_headers "${PROJECT_BINARY_DIR}/include")
set(header_rows "")
set(header_sources "")
foreach(component core bev train)
  string(TOUPPER "${component}" upper)
  set(includes "")
  foreach(room IN LISTS BEVGRAD_${upper}_ROOMS)
    get_target_property(headers bevgrad_${room} BEVGRAD_HEADERS)
    get_target_property(generated bevgrad_${room} BEVGRAD_GENERATED_HEADERS)
    if(NOT generated)
      set(generated "")
    endif()
    foreach(header IN LISTS headers)
      list(APPEND header_rows "${PROJECT_SOURCE_DIR}/${room}/${header}|bevgrad/${room}/${header}")
      list(APPEND header_sources "${PROJECT_SOURCE_DIR}/${room}/${header}")
      # Headers that need a GPU's libraries are there, but come with those that use them.
      if(header MATCHES "\\.h$" AND NOT header MATCHES "(^|/)(cuda|nccl)_")
        string(APPEND includes "#include <bevgrad/${room}/${header}>\n")
      endif()
    endforeach()
    foreach(header IN LISTS generated)
      get_filename_component(name "${header}" NAME)
      list(APPEND header_rows "${header}|bevgrad/${room}/${name}")
      list(APPEND header_sources "${header}")
    endforeach()
  endforeach()
  set(before "")
  if(component STREQUAL "bev")
    set(before "#include <bevgrad/core.h>\n")
  elseif(component STREQUAL "train")
    set(before "#include <bevgrad/bev.h>\n")
  endif()
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/package/${component}.h" @ONLY
    CONTENT "// Everything public of the component ${component}.\n#pragma once\n${before}${includes}")
  list(APPEND header_rows "${PROJECT_BINARY_DIR}/package/${component}.h|bevgrad/${component}.h")
endforeach()

list(JOIN header_rows "\n" header_text)
list(JOIN BEVGRAD_ROOMS "|" room_pattern)
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/package/headers.txt" CONTENT "${header_text}\n" @ONLY)
add_custom_command(OUTPUT "${PROJECT_BINARY_DIR}/package/headers.stamp"
  COMMAND "${CMAKE_COMMAND}" "-DLIST=${PROJECT_BINARY_DIR}/package/headers.txt" "-DTO=${package_headers}"
          "-DROOMS=${room_pattern}|tools" -P "${PROJECT_SOURCE_DIR}/cmake/export_headers.cmake"
  COMMAND "${CMAKE_COMMAND}" -E touch "${PROJECT_BINARY_DIR}/package/headers.stamp"
  DEPENDS ${header_sources} "${PROJECT_BINARY_DIR}/package/headers.txt" "${PROJECT_SOURCE_DIR}/cmake/export_headers.cmake"
  COMMENT "Exporting the public headers" VERBATIM)
add_custom_target(bevgrad_headers ALL DEPENDS "${PROJECT_BINARY_DIR}/package/headers.stamp")
# What is installed after building the executable alone has the headers of its libraries, not those of an earlier build.
add_dependencies(bevgrad bevgrad_headers)

set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/bevgrad")
foreach(component core bev train)
  string(TOUPPER "${component}" upper)
  # Not for linking but a name: what it stands for are the rooms' libraries.
  add_library(bevgrad_component_${component} INTERFACE)
  add_library(bevgrad::${component} ALIAS bevgrad_component_${component})
  set_target_properties(bevgrad_component_${component} PROPERTIES EXPORT_NAME ${component})
  add_dependencies(bevgrad_component_${component} bevgrad_headers)
  target_include_directories(bevgrad_component_${component} SYSTEM INTERFACE
    "$<BUILD_INTERFACE:${package_headers}>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  target_compile_features(bevgrad_component_${component} INTERFACE cxx_std_20)
  set(libraries "")
  foreach(room IN LISTS BEVGRAD_${upper}_ROOMS)
    list(APPEND libraries bevgrad_${room})
    set_target_properties(bevgrad_${room} PROPERTIES EXPORT_NAME room_${room})
  endforeach()
  target_link_libraries(bevgrad_component_${component} INTERFACE ${libraries})
  if(component STREQUAL "core")
    list(APPEND libraries bevgrad_usage)
    set_target_properties(bevgrad_usage PROPERTIES EXPORT_NAME usage)
    target_link_libraries(bevgrad_component_core INTERFACE bevgrad_usage)
  elseif(component STREQUAL "bev")
    target_link_libraries(bevgrad_component_bev INTERFACE bevgrad_component_core protobuf::libprotobuf)
  else()
    target_link_libraries(bevgrad_component_train INTERFACE bevgrad_component_bev nlohmann_json::nlohmann_json)
  endif()
  install(TARGETS bevgrad_component_${component} ${libraries} EXPORT bevgrad_${component}
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dev)
  install(EXPORT bevgrad_${component} NAMESPACE bevgrad:: DESTINATION "${package_folder}"
    FILE bevgrad-${component}.cmake COMPONENT dev)
endforeach()

install(DIRECTORY "${package_headers}/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT dev)
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/bevgradConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/package/bevgradConfig.cmake" INSTALL_DESTINATION "${package_folder}"
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/package/bevgradConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/package/bevgradConfig.cmake"
  "${PROJECT_BINARY_DIR}/package/bevgradConfigVersion.cmake" "${PROJECT_SOURCE_DIR}/cmake/bevgradProtos.cmake"
  DESTINATION "${package_folder}" COMPONENT dev)

# Debian packages: cmake --build build/release --target package. Configure with BEVGRAD_NATIVE=OFF for other machines.
if(PROJECT_IS_TOP_LEVEL)
  set(CPACK_GENERATOR DEB)
  set(CPACK_COMPONENTS_ALL runtime predict dev)
  set(CPACK_DEB_COMPONENT_INSTALL ON)
  set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
  set(CPACK_PACKAGE_CONTACT "the bevgrad developers")
  set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Bird's-eye-view perception with its own tensor and autograd engine")
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME bevgrad)
  set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_PREDICT_PACKAGE_NAME libbevgrad-predict)
  set(CPACK_DEBIAN_PREDICT_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_DEV_PACKAGE_NAME libbevgrad-dev)
  set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libdnnl-dev, libfmt-dev, libhdf5-dev, libxxhash-dev, libdeflate-dev, liblz4-dev, zlib1g-dev")
  set(CPACK_DEBIAN_DEV_PACKAGE_RECOMMENDS "protobuf-compiler, libprotobuf-dev, nlohmann-json3-dev, liblmdb-dev, \
libturbojpeg0-dev, libjpeg62-turbo-dev, libpng-dev, libcairo2-dev, libcli11-dev, libgloo-dev, libmicrohttpd-dev")
  include(CPack)
endif()
