# A room is one folder at the top of the tree and one library, bevgrad_<room>. It sees the public headers of the rooms
# that it names in KNOWS, and of no other, also not of those that the named ones know: each room's public headers are
# linked into a folder of their own, and only the folders of named rooms are on its include path.
#
#   bevgrad_room(nn KNOWS base tensor autograd)
#   bevgrad_room(tensor KNOWS base PRIVATE cpu LIBRARIES dnnl)      # headers under tensor/cpu stay inside tensor
#
# Headers in a folder called `internal` are private in every room. LIBRARIES are linked privately, PUBLIC_LIBRARIES
# appear in the room's own headers. IN_TREE names public headers that are not for use outside this tree: they differ with
# the processor that is compiled for, or show what is private to their room.

set(BEVGRAD_ROOMS_DIR "${PROJECT_BINARY_DIR}/rooms" CACHE PATH "where the rooms' public headers are linked together")

# Lets a target see the public headers of rooms.
function(bevgrad_include_rooms target)
  foreach(known IN LISTS ARGN)
    if(NOT TARGET bevgrad_${known})
      message(FATAL_ERROR "${target} names the room ${known}, which is not there (yet)")
    endif()
    get_target_property(includes bevgrad_${known} BEVGRAD_PUBLIC_INCLUDES)
    target_include_directories(${target} PRIVATE "${BEVGRAD_ROOMS_DIR}/${known}")
    if(includes)
      target_include_directories(${target} SYSTEM PRIVATE ${includes})
    endif()
  endforeach()
endfunction()

# The same, and links them.
function(bevgrad_see target)
  bevgrad_include_rooms(${target} ${ARGN})
  foreach(known IN LISTS ARGN)
    target_link_libraries(${target} PUBLIC $<LINK_ONLY:bevgrad_${known}>)
  endforeach()
endfunction()

function(bevgrad_room room)
  cmake_parse_arguments(ARG "" "" "KNOWS;PRIVATE;LIBRARIES;PUBLIC_LIBRARIES;PROTOS;IN_TREE;OPTIONS" ${ARGN})
  set(folder "${PROJECT_SOURCE_DIR}/${room}")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${folder}/*.cpp")
  bevgrad_cuda_sources(sources emulated)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${folder}" "${folder}/*.h")

  set(public_folder "${BEVGRAD_ROOMS_DIR}/${room}")
  file(REMOVE_RECURSE "${public_folder}")
  file(MAKE_DIRECTORY "${public_folder}")
  set(exported "")
  foreach(header IN LISTS headers)
    set(is_private FALSE)
    foreach(private IN LISTS ARG_PRIVATE ITEMS internal)
      if(header MATCHES "(^|/)${private}/")
        set(is_private TRUE)
      endif()
    endforeach()
    if(NOT is_private)
      get_filename_component(parent "${public_folder}/${room}/${header}" DIRECTORY)
      file(MAKE_DIRECTORY "${parent}")
      file(CREATE_LINK "${folder}/${header}" "${public_folder}/${room}/${header}" SYMBOLIC)
      if(NOT header IN_LIST ARG_IN_TREE)
        list(APPEND exported "${header}")
      endif()
    endif()
  endforeach()

  add_library(bevgrad_${room} STATIC ${sources})
  set_target_properties(bevgrad_${room} PROPERTIES BEVGRAD_KNOWS "${ARG_KNOWS}" BEVGRAD_PRIVATE "${ARG_PRIVATE}")
  if(ARG_PROTOS)
    # Protobuf knows a schema by its path: bevgrad/<room>/<name>.proto, inside this tree and outside. Its header is
    # <room>/<name>.pb.h in this tree, as the others are.
    set(generated "${PROJECT_BINARY_DIR}/protos/${room}")
    file(MAKE_DIRECTORY "${generated}/bevgrad/${room}" "${generated}/sources/bevgrad/${room}")
    file(REMOVE_RECURSE "${generated}/${room}")
    file(CREATE_LINK "${generated}/bevgrad/${room}" "${generated}/${room}" SYMBOLIC)
    set(generated_headers "")
    foreach(proto IN LISTS ARG_PROTOS)
      set(source "${generated}/sources/bevgrad/${room}/${proto}.proto")
      set(result "${generated}/bevgrad/${room}/${proto}.pb")
      get_filename_component(parent "${source}" DIRECTORY)
      file(MAKE_DIRECTORY "${parent}")
      get_filename_component(parent "${result}" DIRECTORY)
      file(MAKE_DIRECTORY "${parent}")
      file(CREATE_LINK "${folder}/${proto}.proto" "${source}" SYMBOLIC)
      # The header is also what sources name: without that path a build whose schema has changed would begin with the
      # objects of the old one.
      add_custom_command(OUTPUT "${result}.cc" "${result}.h" BYPRODUCTS "${generated}/${room}/${proto}.pb.h"
        COMMAND protobuf::protoc "--proto_path=${generated}/sources" "--cpp_out=${generated}" "${source}"
        DEPENDS "${folder}/${proto}.proto")
      target_sources(bevgrad_${room} PRIVATE "${result}.cc" "${result}.h")
      set_source_files_properties("${result}.cc" PROPERTIES COMPILE_OPTIONS "-w")
      list(APPEND exported "${proto}.proto")
      list(APPEND generated_headers "${result}.h")
    endforeach()
    # Whoever knows the room waits for its generated headers.
    set_target_properties(bevgrad_${room} PROPERTIES BEVGRAD_PUBLIC_INCLUDES "${generated}"
      BEVGRAD_GENERATED_HEADERS "${generated_headers}")
    target_include_directories(bevgrad_${room} SYSTEM PRIVATE "${generated}")
    target_link_libraries(bevgrad_${room} PUBLIC protobuf::libprotobuf)
  endif()
  target_include_directories(bevgrad_${room} PRIVATE "${public_folder}" "${folder}")
  bevgrad_see(bevgrad_${room} ${ARG_KNOWS})
  set_target_properties(bevgrad_${room} PROPERTIES BEVGRAD_HEADERS "${exported}")
  # For the shared libraries; what a room defines is never replaced from outside, so that calls within it stay direct.
  bevgrad_host_options(bevgrad_${room} PRIVATE -fPIC -fno-semantic-interposition ${ARG_OPTIONS})
  target_link_libraries(bevgrad_${room} PRIVATE "$<BUILD_INTERFACE:bevgrad_flags>" PUBLIC bevgrad_usage
    ${ARG_PUBLIC_LIBRARIES} PRIVATE ${ARG_LIBRARIES})

  if(BEVGRAD_CUDA_MODE STREQUAL "EMULATED")
    set(objects "")
    foreach(known IN LISTS ARG_KNOWS)
      get_target_property(known_objects bevgrad_${known} BEVGRAD_EMULATED_OBJECTS)
      list(APPEND objects ${known_objects})
    endforeach()
    if(emulated)
      add_library(bevgrad_${room}_emulated OBJECT EXCLUDE_FROM_ALL ${emulated})
      bevgrad_for_emulated_device(bevgrad_${room}_emulated)
      target_include_directories(bevgrad_${room}_emulated PRIVATE "${public_folder}" "${folder}")
      bevgrad_see(bevgrad_${room}_emulated ${ARG_KNOWS})
      bevgrad_host_options(bevgrad_${room}_emulated PRIVATE ${ARG_OPTIONS})
      target_link_libraries(bevgrad_${room}_emulated PRIVATE ${ARG_PUBLIC_LIBRARIES} ${ARG_LIBRARIES})
      list(APPEND objects bevgrad_${room}_emulated)
    endif()
    list(REMOVE_DUPLICATES objects)
    set_target_properties(bevgrad_${room} PROPERTIES BEVGRAD_EMULATED_OBJECTS "${objects}")
  endif()
endfunction()

# Compiles a target's sources for an emulated device.
function(bevgrad_for_emulated_device target)
  target_compile_definitions(${target} PRIVATE BEVGRAD_CUDA BEVGRAD_CUDA_EMULATED)
  target_link_libraries(${target} PRIVATE bevgrad_flags bevgrad_emulation)
endfunction()

# bevgrad_emulated_twin(test_nn_emulated test_nn SEES nn ... SOURCES ...): an executable that computes on an emulated
# device. It has the objects of `like`, but SOURCES are compiled for the device. What the rooms compiled for the device is
# linked as objects, so that it is found before the same names in the rooms' libraries.
function(bevgrad_emulated_twin target like)
  cmake_parse_arguments(ARG "" "" "SEES;SOURCES" ${ARGN})
  set(own "")
  foreach(source IN LISTS ARG_SOURCES)
    get_filename_component(name "${source}" NAME)
    list(APPEND own "/${name}\\.o$")
  endforeach()
  list(JOIN own "|" own)
  set(objects "$<TARGET_OBJECTS:${like}>")
  if(own)
    set(objects "$<FILTER:${objects},EXCLUDE,${own}>")
  endif()
  set(emulated "")
  foreach(room IN LISTS ARG_SEES)
    get_target_property(room_objects bevgrad_${room} BEVGRAD_EMULATED_OBJECTS)
    list(APPEND emulated ${room_objects})
  endforeach()
  list(REMOVE_DUPLICATES emulated)
  foreach(room_objects IN LISTS emulated)
    list(APPEND objects "$<TARGET_OBJECTS:${room_objects}>")
  endforeach()
  add_executable(${target} ${ARG_SOURCES} ${objects})
  set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX)
  bevgrad_for_emulated_device(${target})
  bevgrad_see(${target} ${ARG_SEES})
endfunction()

function(bevgrad_add_test name)
  add_test(NAME ${name} COMMAND test_${name} ${ARGN} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties(${name} PROPERTIES TIMEOUT 1200)
endfunction()

# One test program a room: bevgrad_room_tests(nn) builds tests/nn/**.cpp into test_nn. It sees what the room sees, the
# room's private headers, and the rooms in KNOWS, which only the tests need. SOURCES are compiled besides. DEVICES: where
# devices are emulated, the same tests run as test_nn_emulated with so many of them.
function(bevgrad_room_tests room)
  cmake_parse_arguments(ARG "" "DEVICES" "KNOWS;LIBRARIES;SOURCES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${room}/*.cpp")
  list(APPEND sources ${ARG_SOURCES})
  bevgrad_cuda_sources(sources emulated)
  get_target_property(known bevgrad_${room} BEVGRAD_KNOWS)
  set(sees ${room} ${known} ${ARG_KNOWS})
  add_executable(test_${room} ${sources})
  bevgrad_see(test_${room} ${sees})
  target_link_libraries(test_${room} PUBLIC bevgrad_test_paths)
  set(programs test_${room})
  bevgrad_add_test(${room})
  if(ARG_DEVICES AND BEVGRAD_CUDA_MODE STREQUAL "EMULATED")
    bevgrad_emulated_twin(test_${room}_emulated test_${room} SEES ${sees} SOURCES ${emulated})
    target_link_libraries(test_${room}_emulated PRIVATE bevgrad_test_paths_emulated)
    list(APPEND programs test_${room}_emulated)
    bevgrad_add_test(${room}_emulated)
    set_tests_properties(${room}_emulated PROPERTIES ENVIRONMENT BEVGRAD_EMULATED_DEVICES=${ARG_DEVICES})
  endif()
  foreach(program IN LISTS programs)
    target_link_libraries(${program} PUBLIC bevgrad_flags GTest::gtest GTest::gmock GTest::gtest_main ${ARG_LIBRARIES})
    target_include_directories(${program} PRIVATE "${PROJECT_SOURCE_DIR}/tests" "${PROJECT_SOURCE_DIR}/${room}")
  endforeach()
endfunction()
