#!/usr/bin/env bash
# Stages 6 to 8: a language model of the recogniser's tokens, for its search in stage 12 (--use_lm true).
# Stage 9: an n-gram and a lexicon of words, for the same (--use_ngram true).
# shellcheck disable=SC2154  # variables are those of asr_ee.sh

# lm_options FOLDER: options that stages 6 and 7 share, in the array common; FOLDER holds the training text
lm_options() {
    local overrules
    read -r -a overrules <<< "${lm_args}"
    common=(
        --config "${lm_config}" --use_preprocessor true
        --token_type "${token_type}" --token_list "${token_list}" --bpemodel "${bpemodel}"
        --train_data_path_and_name_and_type "$1/lm_train.txt,text,text"
        --valid_data_path_and_name_and_type "${lm_dev_text},text,text"
        "${overrules[@]}")
}

# Reads the texts; writes them as one, and lengths, to lm_stats_dir.
stage_6() {
    local common texts
    read -r -a texts <<< "${lm_train_text}"
    begin 6 "${lm_stats_dir}/.done.6" --input "${token_list}" "${lm_dev_text}" --stat "${texts[@]}" \
        --output "${lm_stats_dir}"/{lm_train.txt,{train,valid}/text_shape} || return 0
    write_run_sh "${lm_stats_dir}" 6
    awk 'NF > 1' "${texts[@]}" > "${lm_stats_dir}/lm_train.txt"
    lm_options "${lm_stats_dir}"
    collect_statistics "${lm_stats_dir}" "${lm_stats_dir}/lm_train.txt" "${lm_dev_text}" \
        espnet2.bin.lm_train "${common[@]}"
    finish
}

# Reads lm_stats_dir; writes the language model to lm_exp. Resumes the same training from checkpoint.pth.
stage_7() {
    local common folder="${lm_stats_dir}" shapes="${lm_stats_dir}/train"
    if [ "${num_splits_lm}" -gt 1 ]; then
        folder="${lm_stats_dir}/splits${num_splits_lm}"
        shapes="${folder}"
    fi
    begin 7 "${lm_exp}/.done.7" --config "${lm_config}:" --option "lm_args=${lm_args}" \
        --option "lm_fold_length=${lm_fold_length}" --option "num_splits_lm=${num_splits_lm}" \
        --input "${token_list}" "${lm_dev_text}" --stat "${lm_stats_dir}/lm_train.txt" \
        --resumes "${lm_exp}/checkpoint.pth" --output "${lm_exp}/config.yaml" || return 0
    write_run_sh "${lm_exp}" 7
    lm_options "${folder}"
    if [ "${num_splits_lm}" -gt 1 ]; then
        common+=(--multiple_iterator true)
        split_lists num_splits_lm "${folder}" "${lm_stats_dir}"/{lm_train.txt,"train/text_shape.${token_type}"}
    fi
    train "${lm_exp}" loss espnet2.bin.lm_train "${common[@]}" --fold_length "${lm_fold_length}" \
        --train_shape_file "${shapes}/text_shape.${token_type}" \
        --valid_shape_file "${lm_stats_dir}/valid/text_shape.${token_type}"
    finish
}

# Reads the language model; writes the perplexity of the test text to lm_exp/perplexity_test.
stage_8() {
    local dir="${lm_exp}/perplexity_test"
    begin 8 "${dir}/.done.8" --input "${lm_test_text}" --stat "${lm_exp}/${inference_lm}" \
        --output "${dir}/ppl" || return 0
    OMP_NUM_THREADS=1 $(inference_command) --name "perplexity_${lm_exp##*/}" "${dir}/lm_calc_perplexity.log" \
        "${PYTHON}" -m espnet2.bin.lm_calc_perplexity --ngpu "$(inference_gpus)" \
        --data_path_and_name_and_type "${lm_test_text},text,text" --output_dir "${dir}" \
        --train_config "${lm_exp}/config.yaml" --model_file "${lm_exp}/${inference_lm}"
    log "Stage 8: perplexity of ${lm_test_text}: $(cat "${dir}/ppl")"
    finish
}

# Reads the texts; writes ngram_exp/{NUMgram.arpa,lexicon_*.txt}. Where KenLM's tools are there, they make an
# n-gram of words, for texts of any size, and its binary.
stage_9() {
    local texts file="${ngram_exp}/${ngram}" estimator=espnet_ee unit=word
    read -r -a texts <<< "${lm_train_text}"
    if [ "${ngram_unit}" = token ]; then
        unit="${token_type}"
    elif command -v lmplz > /dev/null; then
        estimator=lmplz
    fi
    begin 9 "${ngram_exp}/.done.9" --option "ngram_num=${ngram_num}" --option "estimator=${estimator}" --option "ngram_unit=${ngram_unit}" \
        --option "token_type=${token_type}" --input "${token_list}" --stat "${texts[@]}" \
        --output "${file}.arpa" "${lexicon}" || return 0
    write_run_sh "${ngram_exp}" 9
    if [ "${estimator}" = lmplz ]; then
        cut -s -d ' ' -f 2- "${texts[@]}" | lmplz -S 20% --discount_fallback -o "${ngram_num}" > "${file}.arpa"
        if command -v build_binary > /dev/null; then build_binary -s "${file}.arpa" "${file}.bin"; fi
    else
        py espnet_ee.data.ngram "${texts[@]}" --order "${ngram_num}" --out "${file}.arpa" \
            --token_type "${unit}" --bpemodel "${bpemodel}"
    fi
    py espnet_ee.data.lexicon "data/${prepared_set}/text" "${texts[@]}" --token_list "${token_list}" \
        --token_type "${token_type}" --bpemodel "${bpemodel}" --out "${lexicon}"
    finish
}

# searches_by DECODER: stage 12 is asked for that search
searches_by() {
    if [[ " ${inference_args} " == *" --decoder $1 "* ]]; then return 0; fi
    [ -n "${inference_config}" ] && grep -q "^decoder: *$1" "${inference_config}"
}

# check_language_models: a search that reads what is trained is asked for, before anything is
check_language_models() {
    if [ "${stop_stage}" -lt 12 ] || [ -n "$(left_out 12)" ]; then return 0; fi
    if "${use_lm}" && "${use_ngram}"; then
        die "one search reads either a neural language model or an n-gram." "--use_lm true --use_ngram true" "one of them"
    fi
    if "${use_lm}" && ! searches_by attention && ! searches_by ctc_beam; then
        die "greedy CTC reads no language model." "--use_lm true, without a search in stage 12" \
            '--inference_args "--decoder ctc_beam", or attention for a model with attention decoders' "--use_lm false"
    fi
    if "${use_ngram}" && ! searches_by ctc_beam; then
        die "only a CTC beam search reads an n-gram." "--use_ngram true, without that search in stage 12" \
            '--inference_args "--decoder ctc_beam"' "--use_ngram false"
    fi
}
