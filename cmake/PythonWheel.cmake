# bevgrad_wheel(checkpoint): the target bevgrad_checkpoint_wheel makes build/wheels/bevgrad_checkpoint-*.whl of
# python/checkpoint and the library bevgrad_checkpoint. Of a copy: setuptools leaves folders beside what it packs.
function(bevgrad_wheel name)
  string(TOUPPER "${name}" upper)
  set(copy "${PROJECT_BINARY_DIR}/wheel_sources/${name}")
  add_custom_target(bevgrad_${name}_wheel
    COMMAND "${CMAKE_COMMAND}" -E rm -rf "${copy}"
    COMMAND "${CMAKE_COMMAND}" -E copy_directory "${PROJECT_SOURCE_DIR}/python/${name}" "${copy}"
    COMMAND "${CMAKE_COMMAND}" -E env "BEVGRAD_${upper}_LIBRARY=$<TARGET_FILE:bevgrad_${name}>"
            python3 -m pip wheel --quiet --no-deps --wheel-dir "${PROJECT_BINARY_DIR}/wheels" "${copy}"
    DEPENDS bevgrad_${name} VERBATIM)
endfunction()
