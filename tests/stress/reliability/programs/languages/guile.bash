# guile
# needs: guile
export GUILE_AUTO_COMPILE=0
guile -c '(use-modules (ice-9 popen) (ice-9 rdelim) (ice-9 threads)) (define (f n) (if (< n 2) n (+ (f (- n 1)) (f (- n 2))))) (display (f 18)) (newline) (let ((p (open-input-pipe "echo sub"))) (display (read-line p)) (newline) (close-pipe p))
(display (par-map (lambda (x) (* x x)) (list 1 2 3))) (newline) (catch #t (lambda () (error "x")) (lambda a (display "caught") (newline))) (exit 5)'
echo $?
