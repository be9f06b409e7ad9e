"""Which gradient is right, and what each framework returns.

A `question` says what is asked of a matrix, `checking` has every framework answer it, and
`judgement` holds one gradient against theory.
"""

from spectralgrad.verdict.checking import FLAGGED as FLAGGED
from spectralgrad.verdict.checking import VERDICTS as VERDICTS
from spectralgrad.verdict.checking import Answer as Answer
from spectralgrad.verdict.checking import Verdict as Verdict
from spectralgrad.verdict.checking import answer as answer
from spectralgrad.verdict.checking import check as check
from spectralgrad.verdict.checking import check_stack as check_stack
from spectralgrad.verdict.judgement import Judgement as Judgement
from spectralgrad.verdict.judgement import digits as digits
from spectralgrad.verdict.judgement import judge as judge
from spectralgrad.verdict.question import Question as Question
