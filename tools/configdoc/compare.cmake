# Fails when FILE is not what PROGRAM prints for WHAT.
execute_process(COMMAND ${PROGRAM} ${WHAT} OUTPUT_VARIABLE wanted
    RESULT_VARIABLE result)
if(NOT result EQUAL 0)
    message(FATAL_ERROR "${PROGRAM} ${WHAT} failed: ${result}")
endif()
file(READ ${FILE} present)
if(NOT present STREQUAL wanted)
    message(FATAL_ERROR "${FILE} is not current; make it anew with "
        "mailmod-config-doc ${WHAT} > ${FILE}")
endif()
