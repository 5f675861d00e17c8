#!/usr/bin/env bash
# Early-exit speech recognition with a pip-installed ESPnet: ESPnet's stages, options and folders.
# Called by the run.sh of a recipe, in the recipe's folder. Help: ./run.sh --help
set -euo pipefail

# Each option is a line NAME=DEFAULT, with its effect as comment; --help and the parser read them.
# options begin
# General
stage=1                 # First stage to run; a stage asked for by number runs even if it is done.
stop_stage=16           # Last stage to run.
skip_stages=            # Stages to leave out, e.g. "3 4".
skip_data_prep=false    # Leave out stages 1 to 5.
skip_train=false        # Leave out stages 10 and 11.
skip_eval=false         # Leave out stages 12 and 13.
skip_packing=true       # Leave out stage 14.
skip_upload_hf=true     # Leave out stage 16.
ngpu=1                  # GPUs for training; 0 uses the CPU.
num_nodes=1             # Machines for training.
nj=4                    # Parallel jobs of stages 3 and 10.
inference_nj=4          # Parallel jobs of stage 12.
gpu_inference=false     # Decode on a GPU.
num_threads=1           # Numerical threads of training; parallel jobs use one each.
dumpdir=dump            # Folder of formatted audio.
expdir=exp              # Folder of statistics, models and results.
python=                 # Python that has espnet_ee; default: the one path.sh finds.

# Data
train_set=              # Name of the training set (required).
valid_set=              # Name of the validation set (required).
test_sets=              # Names of the test sets (required).
local_data_opts=        # Options for local/data.sh.
speed_perturb_factors=  # Speeds of copies of the training set, e.g. "0.9 1.0 1.1".
audio_format=flac       # Format of audio files in the dump folder: flac or wav.
fs=16k                  # Sampling rate in Hz, or 16k.
min_wav_duration=0.2    # Training and validation utterances are longer, in seconds; 8x stems need 0.15.
max_wav_duration=20.0   # Training and validation utterances are shorter, in seconds.

# Tokens
token_type=bpe          # bpe, char or word.
nbpe=500                # Number of subwords.
bpemode=unigram         # unigram or bpe.
bpe_train_text=         # Text to train subwords on; default: that of the training set.
bpe_nlsyms=             # Symbols that are one subword each, separated by commas.
bpe_char_cover=1.0      # Share of characters that get a subword.
lang=noinfo             # Language, part of folder names.

# Training
asr_config=             # YAML file of the model and its training (required).
asr_args=               # Options that overrule the YAML file, e.g. "--max_epoch 10".
asr_tag=                # Name of the model; default: made from config, tokens and asr_args.
asr_exp=                # Folder of the model; default: EXPDIR/asr_TAG.
asr_stats_dir=          # Folder of statistics; default: made from language, tokens and normalisation.
pretrained_model=       # Parameters to start from: FILE[:SRC:DST[:EXCLUDE]].
ignore_init_mismatch=false # Skip parameters of pretrained_model that have another shape.
feats_normalize=global_mvn # global_mvn uses the statistics of stage 10; else as in the YAML file.
num_splits_asr=1        # Parts of the training set, read one after another; for lists too long for memory.
asr_speech_fold_length=80000 # Samples at which batch type folded halves a batch.
asr_text_fold_length=150 # Tokens at which batch type folded halves a batch.

# Neural language model, for search by attention decoders or CTC
use_lm=false            # Train one in stages 6 to 8, and search with it in stage 12.
lm_config=conf/train_lm_transformer.yaml # YAML file of the language model and its training.
lm_args=                # Options that overrule the YAML file.
lm_tag=                 # Name of the language model; default: made from config, tokens and lm_args.
lm_exp=                 # Folder of the language model; default: EXPDIR/lm_TAG.
lm_stats_dir=           # Folder of its training text and lengths; default: made from language and tokens.
lm_train_text=          # Texts to train on; default: that of the training set.
lm_dev_text=            # Text of validation; default: that of the validation set.
lm_test_text=           # Text of the perplexity in stage 8; default: that of the first test set.
num_splits_lm=1         # Parts of the training text, read one after another.
lm_fold_length=150      # Tokens at which batch type folded halves a batch.
inference_lm=valid.loss.ave.pth # Parameters to search with, a file in LM_EXP.

# N-gram and lexicon, for search by CTC
use_ngram=false         # Make them in stage 9, and search with them in stage 12.
ngram_num=3             # N.
ngram_unit=word         # Of what: word, with a lexicon; or token, the recogniser's own, without.
ngram_exp=              # Folder of both; default: EXPDIR/ngram.
inference_ngram=        # N-gram to search with, a file in NGRAM_EXP; default: NUMgram[_TOKENS].arpa.

# Decoding, scoring
batch_size=16           # Utterances per batch in decoding.
inference_config=       # YAML file of decoding options.
inference_args=         # Options of decoding, e.g. "--policy entropy --threshold -0.1".
inference_tag=          # Name of the results; default: made from config, args and model.
inference_asr_model=valid.cer_ctc.ave.pth # Parameters to decode with, a file in ASR_EXP.
num_clusters=0          # Above 0: fit so many in stage 12, for the policy clusters.
measure_latency=false   # Measure times to each exit on this machine at the end of stage 12, for report and card.
eval_valid_set=true     # Decode the validation set too, unfiltered; thresholds are chosen on it.
license=                # Licence of the parameters, as the hub spells it: cc-by-4.0; default: not stated.
hf_repo=                # USER/NAME on the Hugging Face hub, where stage 16 sends the model.
hf_dry_run=false        # Stage 16 writes the folder with its card and sends nothing.
local_score_opts=       # Options for local/score.sh, which runs if it exists.
# options end

template=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
run_args="${*@Q}"
# shellcheck source=scripts/options.sh
. "${template}/scripts/options.sh"
parse_options "$@"
# shellcheck source=scripts/stage.sh
. "${template}/scripts/stage.sh"
# shellcheck source=scripts/data_stages.sh
. "${template}/scripts/data_stages.sh"
# shellcheck source=scripts/training.sh
. "${template}/scripts/training.sh"
# shellcheck source=scripts/language_model_stages.sh
. "${template}/scripts/language_model_stages.sh"
# shellcheck source=scripts/model_stages.sh
. "${template}/scripts/model_stages.sh"
# shellcheck source=scripts/checkout.sh
. "${template}/scripts/checkout.sh"
# shellcheck source=path.sh
. ./path.sh
# shellcheck source=cmd.sh
. ./cmd.sh

require train_set valid_set test_sets
one_of audio_format flac wav
one_of token_type bpe char word
one_of bpemode unigram bpe
one_of ngram_unit word token
if [ "${stage}" -lt 1 ] || [ "${stage}" -gt 16 ]; then die "there is no such stage." "--stage ${stage}" "1 to 16"; fi
at_least_one nj inference_nj num_threads num_nodes num_splits_{asr,lm} batch_size nbpe ngram_num
if [[ ! "${num_clusters}" =~ ^[0-9]+$ ]]; then die "--num_clusters is no number." "${num_clusters}" "0, for none, or e.g. 50"; fi
if [[ ! "${fs}" =~ ^[0-9]*[1-9][0-9]*k?$ ]]; then die "--fs is a sampling rate." "${fs}" "Hz, e.g. 16000 or 16k"; fi
if [ "${num_nodes}" -gt 1 ] && [[ "${cuda_cmd}" =~ (run|ssh)\.pl ]]; then
    die "${cuda_cmd} trains on one machine only." "--num_nodes ${num_nodes}" "--num_nodes 1" \
        "let a batch system start the training: cmd_backend=slurm ./run.sh ..., see cmd.sh"
fi
check_python

# Names that follow from the options; spellings are ESPnet's.
prepared_set="${train_set}"
if [ -n "${speed_perturb_factors}" ]; then train_set="${train_set}_sp"; fi
data_feats="${dumpdir}/raw"
token_root=data/token_list
if [ "${lang}" != noinfo ]; then token_root="data/${lang}_token_list"; fi
case "${token_type}" in
    bpe) token_dir="${token_root}/bpe_${bpemode}${nbpe}" ;;
    *) token_dir="${token_root}/${token_type}" ;;
esac
token_list="${token_dir}/tokens.txt"
bpemodel=none
token_tag="${token_type}"
if [ "${token_type}" = bpe ]; then bpemodel="${token_dir}/bpe.model"; token_tag+="${nbpe}"; fi
suffix="raw"
if [ "${lang}" != noinfo ]; then suffix+="_${lang}"; fi
suffix+="_${token_tag}"
perturbed=
if [ -n "${speed_perturb_factors}" ]; then perturbed=_sp; fi
: "${lm_stats_dir:=${expdir}/lm_stats_${lang}_${token_tag}}"
: "${lm_tag:=$(tag_of "${lm_config}" train)_${lang}_${token_tag}$(tag_of_args "${lm_args}")}"
: "${lm_exp:=${expdir}/lm_${lm_tag}}"
: "${ngram_exp:=${expdir}/ngram}"
ngram="${ngram_num}gram"
if [ "${ngram_unit}" = token ]; then ngram+="_${token_tag}"; fi
: "${inference_ngram:=${ngram}.arpa}"
lexicon="${ngram_exp}/lexicon_${token_tag}.txt"
: "${lm_train_text:=data/${prepared_set}/text}"
: "${lm_dev_text:=data/${valid_set}/text}"
: "${lm_test_text:=data/${test_sets%% *}/text}"
# Models of the waveform collect no feature statistics, and must not replace those of others.
normalized=
if [ "${feats_normalize}" != global_mvn ]; then normalized="_${feats_normalize}"; fi
: "${asr_stats_dir:=${expdir}/asr_stats_${suffix}${perturbed}${normalized}}"
: "${asr_tag:=$(tag_of "${asr_config}" train)_${suffix}$(tag_of_args "${asr_args}")${perturbed}}"
: "${asr_exp:=${expdir}/asr_${asr_tag}}"
packed="${asr_exp}/${asr_exp##*/}_${inference_asr_model%.pth}.zip"
model_tag="asr_model_${inference_asr_model%.pth}"
: "${inference_tag:=$(tag_of "${inference_config}" inference)$(tag_of_args "${inference_args}")_${model_tag//\//_}}"
if "${use_lm}"; then inference_tag+="_lm_${lm_exp##*/}_${inference_lm%.pth}"; fi
if "${use_ngram}"; then inference_tag+="_ngram_${ngram_exp##*/}_${inference_ngram%.*}"; fi
all_tests=" ${test_sets} "
if "${eval_valid_set}" && [[ "${all_tests}" != *" ${valid_set} "* ]]; then all_tests+="${valid_set} "; fi
read -r -a decode_sets <<< "${all_tests}"

check_language_models

if [ -n "${ESPNET_ROOT:-}" ]; then run_checkout; exit 0; fi

for number in $(seq "${stage}" "$(at_most 16 "${stop_stage}")"); do
    run_stage "${number}"
done
log "Successfully finished. [elapsed=${SECONDS}s]"
